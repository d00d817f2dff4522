from datetime import date, datetime
from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from core.days import today
from core.errors import Refusal
from payments.listed import There
from payments.models import Statement, StatementPage
from payments.services.comparing import DAYS_BACK
from payments.services.differences import count_open_differences
from payments.services.statement import compare_days
from workers.devstack.progress import Bar


class Command(BaseCommand):
    help = (
        "Compare Chapa's list of transactions with the ledger, for days in Addis Ababa: "
        "docs/reconciliation.md. Exits 1 if Chapa did not give all of its list."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--since",
            type=date.fromisoformat,
            help=f"the first day, as 2026-05-01 ({DAYS_BACK.days} days before the last)",
        )
        parser.add_argument("--until", type=date.fromisoformat, help="the last day (today)")

    def handle(self, *_: Any, since: date | None, until: date | None, **__: Any) -> None:
        # Django's stream would end each drawing's line.
        self.stdout.ending = ""
        now = timezone.now()
        until = until or today(now)
        since = since or until - DAYS_BACK
        reach = _Reach(now, since, cast("TextIO", self.stdout))
        try:
            statement = compare_days(since=since, until=until, clock=timezone.now, tell=reach.tell)
        except Refusal as refusal:
            raise CommandError(f"{refusal.title}. {refusal.detail}") from refusal
        if statement.state == Statement.State.READING:
            raise CommandError(
                f"Chapa gave no page ({statement.problem}, HTTP {statement.http_status}). Run it "
                f"again: within the hour it goes on behind page {statement.pages.count()}."
            )
        reach.end()
        self._print(statement)

    def _print(self, statement: Statement) -> None:
        for name, count in statement.counts.items():
            self.stdout.write(f"  {count:>8,}  {name.replace('_', ' ')}\n")
        waiting = count_open_differences()
        if waiting:
            self.stdout.write("\n  open, of all days:\n")
        for kind, count in waiting.items():
            self.stdout.write(f"  {count:>8,}  {kind}\n")


class _Reach:
    """How far back the list was read: how long it is, nobody says before its end."""

    def __init__(self, now: datetime, since: date, stream: TextIO) -> None:
        self._now = now
        self._days = max(1, (today(now) - since).days + 1)
        self._done = 0
        self._bar = Bar(self._days, stream, unit="days")

    def tell(self, page: StatementPage) -> None:
        made = [There.from_json(line).created_at for line in page.lines]
        oldest = min((moment for moment in made if moment is not None), default=self._now)
        self._done = min(max(self._done, (self._now - oldest).days), self._days)
        self._bar.show(self._done)

    def end(self) -> None:
        self._bar.end(self._days)
