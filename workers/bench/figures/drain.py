"""How fast one process of each delivers a backlog."""

from collections.abc import Callable

from workers.bench import contestants
from workers.bench.arena import Arena, read_seconds
from workers.bench.contestants import Contestant
from workers.bench.rounds import take_turns
from workers.devstack.progress import Progress


def measure_drain(
    arena: Arena, *, rounds: int, events: int, progress: Progress
) -> dict[str, list[float]]:
    """Return events a second, round by round."""
    progress.say(f"\n  {events:,} events that wait, one process delivers")
    those = (
        contestants.guzo("Guzo"),
        contestants.domain_events_with_a_backlog(),
        contestants.procrastinate(),
        contestants.procrastinate(ordered=False),
        contestants.jaiminho(),
    )
    return take_turns(
        {each.name: _draining(arena, each, events) for each in those},
        rounds=rounds,
        progress=progress,
    )


def _draining(arena: Arena, contestant: Contestant, events: int) -> Callable[[], float]:
    return lambda: drain(arena, contestant, events)


def drain(arena: Arena, contestant: Contestant, events: int) -> float:
    """Return events a second of one process that is warm before the backlog comes."""

    def place() -> int:
        arena.produce(contestant, events, connections=4, processes=2)
        return arena.settle(contestant)

    arena.begin(contestant)
    rate = drain_after(arena, contestant, place)
    arena.judge(contestant)
    return rate


def drain_after(arena: Arena, contestant: Contestant, place: Callable[[], int]) -> float:
    """Warm a process up, let orders be placed, and return how many a second it then delivers."""
    with arena.process(contestant, "django", "engine", "drain") as process:
        assert process.stdout
        if process.stdout.readline() != "warm\n":
            raise SystemExit(f"{contestant.name} did not get warm")
        owed = place()
        answer, _ = process.communicate("go\n")
    return owed / read_seconds(answer)
