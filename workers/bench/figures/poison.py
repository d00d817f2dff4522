"""What twenty subjects whose head is dead, with a thousand events behind each, cost the others."""

from collections.abc import Callable

from workers.bench import contestants
from workers.bench.arena import Arena
from workers.bench.contestants import Contestant
from workers.bench.rounds import take_turns
from workers.devstack.progress import Progress

SUBJECTS, BEHIND = 20, 1000
CLEAN = "Guzo"
PARKED = "Guzo, poison that was looked at"
FRESH = "Guzo, poison that just came in"


def measure_claims(
    arena: Arena, *, rounds: int, events: int, progress: Progress
) -> dict[str, list[float]]:
    """Return milliseconds a claim takes, round by round."""
    progress.say(
        f"\n  a claim of {events:,} events beside {SUBJECTS} × {BEHIND:,} behind dead ones"
    )
    guzo = contestants.guzo("Guzo")
    return take_turns(
        {
            name: _claiming(arena, guzo, events, poison)
            for name, poison in ((CLEAN, _nothing), (PARKED, _parked), (FRESH, _fresh))
        },
        rounds=rounds,
        progress=progress,
        unit=" ms",
    )


Poison = Callable[[Arena, Contestant], None]


def _claiming(arena: Arena, guzo: Contestant, events: int, poison: Poison) -> Callable[[], float]:
    def claim() -> float:
        arena.begin(guzo)
        poison(arena, guzo)
        arena.script(guzo, "bulk", str(events))
        arena.sql(guzo.database, "vacuum analyze")
        return arena.script(guzo, "claims") * 1000

    return claim


def _nothing(arena: Arena, guzo: Contestant) -> None:
    pass


def _parked(arena: Arena, guzo: Contestant) -> None:
    _fresh(arena, guzo)
    arena.call(guzo, "engine", "drain", "--cold")


def _fresh(arena: Arena, guzo: Contestant) -> None:
    poison = ("--customers", str(SUBJECTS), "--poison")
    arena.script(guzo, "bulk", str(SUBJECTS), *poison)
    arena.call(guzo, "engine", "drain", "--cold")
    arena.script(guzo, "bulk", str(SUBJECTS * BEHIND), *poison)
