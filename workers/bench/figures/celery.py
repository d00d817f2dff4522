"""How fast Celery with two processes delivers a backlog, from the first bell to the last effect."""

import signal
import time
from collections.abc import Callable

from workers.bench import contestants
from workers.bench.arena import Arena, signal_groups
from workers.bench.contestants import Contestant
from workers.bench.rounds import take_turns
from workers.devstack.progress import Progress

WARM_UP = 100

_LAST_EFFECT = """
select extract(epoch from max(pg_xact_commit_timestamp(xmin)))::float8 from shop_effect
"""


def measure_celery(
    arena: Arena, *, rounds: int, events: int, progress: Progress
) -> dict[str, list[float]]:
    """Return events a second, round by round."""
    progress.say(f"\n  {events:,} events that wait, Celery with 2 processes delivers")
    those = (
        contestants.guzo_through_celery(),
        contestants.celery_tasks(reuse=False),
        contestants.celery_tasks(reuse=True),
        contestants.celery_outbox(),
    )
    return take_turns(
        {each.name: _delivering(arena, each, events) for each in those},
        rounds=rounds,
        progress=progress,
    )


def _delivering(arena: Arena, contestant: Contestant, events: int) -> Callable[[], float]:
    return lambda: _deliver(arena, contestant, events)


def _deliver(arena: Arena, contestant: Contestant, events: int) -> float:
    """Let its processes get warm, stop them where they are, place the orders, let them go on."""
    arena.begin(contestant)
    with arena.running(contestant) as daemons:
        arena.produce(contestant, WARM_UP, connections=1, processes=1)
        arena.await_effects(contestant)
        signal_groups(daemons, signal.SIGSTOP)
        try:
            arena.produce(contestant, events, connections=4, processes=2)
            owed = arena.settle(contestant)
            began = time.time()
        finally:
            signal_groups(daemons, signal.SIGCONT)
        arena.await_effects(contestant)
        ((ended,),) = arena.sql(contestant.database, _LAST_EFFECT)
    arena.judge(contestant)
    return owed / (float(ended) - began)
