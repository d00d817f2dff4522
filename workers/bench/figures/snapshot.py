"""How fast a backlog goes after 120,000 events whose rows another connection's snapshot keeps."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext

from workers.bench import contestants
from workers.bench.arena import Arena
from workers.bench.contestants import Contestant
from workers.bench.figures.drain import drain_after
from workers.bench.rounds import take_turns
from workers.devstack.progress import Progress

EVENTS_BEFORE, WORKERS = 120_000, 2
# events.lanes.SWEEP_EVERY is 10.
LONGER_THAN_A_SWEEP_S = 11.0
_DRAIN = ("engine", "drain", "--cold")
FREE, HELD = "Guzo", "Guzo, a snapshot is held"


def measure_snapshot(
    arena: Arena, *, rounds: int, events: int, progress: Progress
) -> dict[str, list[float]]:
    """Return events a second, round by round."""
    progress.say(f"\n  {events:,} events after {EVENTS_BEFORE:,} that were delivered")
    guzo = contestants.guzo("Guzo")
    return take_turns(
        {
            FREE: lambda: _drain_at_last(arena, guzo, events, held=False),
            HELD: lambda: _drain_at_last(arena, guzo, events, held=True),
        },
        rounds=rounds,
        progress=progress,
    )


def _drain_at_last(arena: Arena, guzo: Contestant, events: int, *, held: bool) -> float:
    arena.begin(guzo)

    def place() -> int:
        arena.script(guzo, "bulk", str(EVENTS_BEFORE))
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(lambda _: arena.call(guzo, *_DRAIN), range(WORKERS)))
        # That many do not come in a minute: let the sweeps pass that their day would bring.
        for _ in range(2):
            time.sleep(LONGER_THAN_A_SWEEP_S)
            arena.script(guzo, "bulk", "10")
            arena.call(guzo, *_DRAIN)
        arena.script(guzo, "bulk", str(events))
        return events

    with _held_snapshot(arena, guzo) if held else nullcontext():
        rate = drain_after(arena, guzo, place)
    arena.judge(guzo)
    return rate


@contextmanager
def _held_snapshot(arena: Arena, guzo: Contestant) -> Iterator[None]:
    """Look at the queue once, as a dump would, and end nothing."""
    with closing(arena.connect(guzo.database)) as connection:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        connection.cursor().execute("select count(*) from events_delivery")
        yield
