"""What it takes to cut a log of ten million events into partitions, and what drains afterwards."""

import time
from dataclasses import replace

from workers.bench import contestants
from workers.bench.arena import Arena
from workers.bench.figures.history import OLD_EVENTS, drain_now, make_history
from workers.bench.rounds import take_turns
from workers.devstack.plan import PROJECT
from workers.devstack.progress import Progress

WHOLE, CUT = f"Guzo, {OLD_EVENTS:,} old events", "Guzo, the same in partitions"
_RECIPE = PROJECT / "docs" / "partitioning.sql"


def measure_partitions(
    arena: Arena, *, rounds: int, events: int, progress: Progress
) -> dict[str, list[float]]:
    """Return events a second, round by round; say how long the cut and the drop took."""
    whole = make_history(arena, progress)
    parts = replace(contestants.guzo(CUT), database="guzo_parts")
    arena.copy(whole.database, parts.database)
    proving, _, locking = _RECIPE.read_text().partition("begin;")
    cut = str(OLD_EVENTS + events)
    for name, statements in (("proof", proving), ("cut, under a lock", f"begin;{locking}")):
        began = time.monotonic()
        arena.sql(parts.database, statements.replace(":cut", cut))
        progress.say(f"  {name}: {time.monotonic() - began:.2f} s")
    results = take_turns(
        {
            each.name: lambda each=each: drain_now(arena, each, events)  # type: ignore[misc]
            for each in (whole, parts)
        },
        rounds=rounds,
        progress=progress,
    )
    began = time.monotonic()
    for table in ("events_receipt", "events_event"):
        arena.sql(parts.database, f"alter table {table} detach partition {table}_first")
        arena.sql(parts.database, f"drop table {table}_first")
    progress.say(f"  {OLD_EVENTS:,} events dropped: {time.monotonic() - began:.2f} s")
    return results
