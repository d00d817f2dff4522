import getpass
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from core.errors import Refusal
from events.replay import Selection, redeliver
from events.routing import routing_table


class Command(BaseCommand):
    help = "Deliver selected events again to handlers that have no receipt for them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--id", type=int, action="append", default=[], dest="ids")
        parser.add_argument("--type", help="for example payment.succeeded")
        parser.add_argument("--subject", help="for example payment:<uuid>")
        parser.add_argument("--since", type=_moment, help="RFC 3339, for example 2026-11-22T09:00Z")
        parser.add_argument("--handler", help="only this handler")
        parser.add_argument(
            "--reason", default="", help="kept with the replay; required to execute"
        )
        parser.add_argument("--dry-run", action="store_true", help="count, change nothing")

    def handle(self, *_: Any, reason: str, dry_run: bool, **options: Any) -> None:
        self._refuse_unknown(options["type"], options["handler"])
        if not dry_run and not reason.strip():
            raise CommandError("--reason is required; or look first with --dry-run")
        selection = Selection(
            ids=tuple(options["ids"]),
            type=options["type"],
            subject=options["subject"],
            since=options["since"],
            handler=options["handler"],
        )
        try:
            counts = redeliver(
                selection,
                actor=f"console:{getpass.getuser()}",
                reason=reason,
                dry_run=dry_run,
                at=timezone.now(),
            )
        except Refusal as refusal:
            raise CommandError(f"{refusal.title}. {refusal.detail}") from refusal
        for (event_type, handler, what), count in sorted(counts.items()):
            self.stdout.write(f"{count:8}  {event_type:28} {handler:32} {what}")
        self.stdout.write("nothing was changed (dry run)" if dry_run else "done")

    def _refuse_unknown(self, event_type: str | None, handler: str | None) -> None:
        table = routing_table()
        if event_type and event_type not in table.types:
            raise CommandError(
                f"No event has the type {event_type}. Known: {', '.join(sorted(table.types))}"
            )
        handlers = sorted({name for _, name in table.by_name})
        if handler and handler not in handlers:
            raise CommandError(f"No handler is named {handler}. Known: {', '.join(handlers)}")


def _moment(text: str) -> datetime:
    moment = parse_datetime(text)
    if moment is None or moment.tzinfo is None:
        raise ValueError(f"{text!r} is not a time with a zone")
    return moment
