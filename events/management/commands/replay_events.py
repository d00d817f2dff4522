import getpass
from argparse import ArgumentTypeError
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from core.errors import Refusal
from events.models import Replay
from events.replay import (
    FASTEST,
    STATES,
    Selection,
    advance_replay,
    begin_replay,
    cancel_replay,
    pause_replay,
    plan_replay,
    read_moment,
    start_replay,
)

_BAR = 30


class Command(BaseCommand):
    help = (
        "Deliver selected events again, or give up what is stuck. With --dry-run it only plans: "
        "--execute then runs exactly that plan."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_argument_group("which events")
        what.add_argument("--id", type=int, action="append", default=[], dest="ids")
        what.add_argument("--type", help="for example payment.succeeded")
        what.add_argument("--subject", help="for example payment:<uuid>")
        what.add_argument("--since", type=_moment, help="RFC 3339, for example 2026-11-22T09:00Z")
        what.add_argument("--until", type=_moment, help="up to, not including")
        what.add_argument("--handler", help="only this handler")
        what.add_argument("--state", help=f"only what is {', '.join(STATES)}")
        how = parser.add_argument_group("how")
        how.add_argument("--mode", choices=Replay.Mode.values, default=Replay.Mode.REDELIVER)
        how.add_argument("--rate", type=_rate, default=50, help=f"a second, at most {FASTEST}")
        how.add_argument("--force", action="store_true", help="rerun what is not replayable too")
        how.add_argument("--yes", action="store_true", help="however many they are")
        how.add_argument("--reason", default="", help="kept with the replay; required to execute")
        how.add_argument("--dry-run", action="store_true", help="plan, and change nothing")
        planned = parser.add_argument_group("a replay that is there").add_mutually_exclusive_group()
        for verb in ("execute", "pause", "cancel", "show"):
            planned.add_argument(f"--{verb}", type=UUID, metavar="REPLAY")

    def handle(self, *_: Any, **options: Any) -> None:
        self.actor = f"console:{getpass.getuser()}"
        try:
            self._handle(options)
        except Refusal as refusal:
            raise CommandError(f"{refusal.title}. {refusal.detail}") from refusal

    def _handle(self, options: dict[str, Any]) -> None:
        if options["pause"]:
            self._show(pause_replay(options["pause"]))
        elif options["cancel"]:
            self._show(cancel_replay(options["cancel"]))
        elif options["show"]:
            self._show(Replay.objects.filter(id=options["show"]).first())
        elif options["execute"]:
            self._run(
                start_replay(
                    options["execute"],
                    actor=self.actor,
                    reason=options["reason"],
                    at=timezone.now(),
                )
            )
        else:
            self._plan(options)

    def _plan(self, options: dict[str, Any]) -> None:
        make = plan_replay if options["dry_run"] else begin_replay
        replay = make(
            Selection(
                ids=tuple(options["ids"]),
                **{
                    name: options[name]
                    for name in ("type", "subject", "since", "until", "handler", "state")
                },
            ),
            mode=options["mode"],
            actor=self.actor,
            reason=options["reason"],
            at=timezone.now(),
            rate=options["rate"],
            force=options["force"],
            large=options["yes"],
        )
        self._show(replay)
        if options["dry_run"]:
            self.stdout.write(
                "Nothing was changed. To run exactly this, within 24 h:\n"
                f'  manage.py replay_events --execute {replay.id} --reason "…"'
            )
        else:
            self._run(replay)

    def _run(self, replay: Replay) -> None:
        try:
            while replay.state == Replay.State.RUNNING:
                replay = advance_replay(
                    replay.id, timezone.now, time_slice=timedelta(minutes=1), watch=self._draw
                )
        except KeyboardInterrupt:
            pause_replay(replay.id)
            raise CommandError(
                f"Paused. To go on: manage.py replay_events --execute {replay.id}"
            ) from None
        self.stdout.write("")
        self._show(replay)

    def _draw(self, replay: Replay) -> None:
        if self.stdout.isatty():
            done = replay.total - replay.progress().get("left", 0)
            full = _BAR * done // replay.total
            bar = "#" * full + "." * (_BAR - full)
            self.stdout.write(f"\r  [{bar}] {done} of {replay.total}", ending="")
            self.stdout.flush()

    def _show(self, replay: Replay | None) -> None:
        if replay is None:
            raise CommandError("There is no such replay.")
        self.stdout.write(f"replay {replay.id}: {replay.mode}, {replay.get_state_display()}")
        for row in replay.summary:
            self.stdout.write(
                f"{row['count']:8}  {row['type']:24} {row['handler']:26} {row['found']:10} "
                f"{'runs' if row['runs'] else 'left alone':11}"
                f"{row['oldest'][:19]} … {row['newest'][:19]}  {_samples(row)}"
            )
        if replay.state == Replay.State.PLANNED:
            self.stdout.write(f"{replay.total} would run, in about {replay.seconds:.0f} s")
        else:
            ends = ", ".join(f"{count} {name}" for name, count in replay.progress().items())
            self.stdout.write(f"of {replay.total}: {ends}")


def _samples(row: dict[str, Any]) -> str:
    more = ", …" if row["count"] > len(row["samples"]) else ""
    return f"ids {', '.join(map(str, row['samples']))}{more}"


def _moment(text: str) -> datetime:
    try:
        return read_moment(text)
    except ValueError as wrong:
        raise ArgumentTypeError(str(wrong)) from None


def _rate(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= FASTEST:
        raise ArgumentTypeError(f"{text!r} is not a number from 1 to {FASTEST}")
    return int(text)
