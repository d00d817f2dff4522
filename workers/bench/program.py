"""What every script that measures figures in the arena does around them."""

from argparse import ArgumentParser
from collections.abc import Collection
from typing import Protocol

from workers.bench.arena import Arena, open_arena
from workers.bench.rounds import describe_machine
from workers.devstack.progress import Progress
from workers.devstack.signals import StopRequested, stop_requests


class Report(Protocol):
    """Measure one figure, showing progress; return what to print of it."""

    def __call__(
        self, arena: Arena, figure: str, rounds: int, events: int, progress: Progress, /
    ) -> str: ...


def run_figures(description: str | None, figures: Collection[str], report: Report) -> int:
    """Measure all figures, or the one that the command line names; return the exit code."""
    parser = ArgumentParser(description=description)
    parser.add_argument("--figure", choices=figures, help="only this one")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=5000)
    options = parser.parse_args()
    progress = Progress()
    try:
        with stop_requests():
            machine = describe_machine()
            with open_arena(progress) as arena:
                ((version,),) = arena.sql("postgres", "show server_version")
                progress.say(f"  {machine}, PostgreSQL {version}")
                for figure in [options.figure] if options.figure else figures:
                    told = report(arena, figure, options.rounds, options.events, progress)
                    progress.say(f"\n{told}")
    except StopRequested as stop:
        return stop.exit_code
    return 0
