"""What it costs a commit to wake whoever sleeps: 32 writers, with the wake-up and without."""

from workers.bench import contestants
from workers.bench.arena import Arena
from workers.bench.figures.commits import CONNECTIONS, commit
from workers.bench.rounds import take_turns
from workers.devstack.progress import Progress


def measure_waking(
    arena: Arena, *, rounds: int, events: int, progress: Progress
) -> dict[str, list[float]]:
    """Return commits a second, round by round."""
    progress.say(f"\n  {events:,} commits, {CONNECTIONS} connections, woken and not")
    those = (contestants.guzo_relay(), contestants.guzo_unheard())
    return take_turns(
        {each.name: lambda each=each: commit(arena, each, events) for each in those},  # type: ignore[misc]
        rounds=rounds,
        progress=progress,
    )
