"""How long after its commit an event has its effect, while few come and everybody waits."""

from dataclasses import dataclass

from workers.bench import contestants
from workers.bench.arena import Arena
from workers.bench.contestants import Contestant
from workers.bench.rounds import percentile, turns
from workers.devstack.progress import Progress

PER_SECOND = 20
EVENTS = 240
WARM_UP = 40

# PostgreSQL dates every commit (track_commit_timestamp): the same clock for all, and no polling.
_LATENCIES = """
select extract(epoch from pg_xact_commit_timestamp(e.xmin) - pg_xact_commit_timestamp(o.xmin))
       ::float8 * 1000
from shop_order o join shop_effect e on e.order_id = o.id
order by o.id
"""


@dataclass(frozen=True)
class Latency:
    """Milliseconds from the commit of the order to the commit of its effect."""

    p50: float
    p99: float


def measure_latency(arena: Arena, *, rounds: int, progress: Progress) -> dict[str, list[Latency]]:
    """Return what each round saw."""
    progress.say(f"\n  {EVENTS} events, {PER_SECOND} a second")
    those = {
        each.name: each
        for each in (
            contestants.guzo_through_celery(),
            contestants.guzo_without_celery(),
            contestants.procrastinate(),
            contestants.domain_events_in_a_trickle(),
            contestants.celery_tasks(reuse=True),
        )
    }
    results: dict[str, list[Latency]] = {name: [] for name in those}
    for number, name in turns(list(those), rounds):
        seen = _wait_and_see(arena, those[name])
        results[name].append(seen)
        progress.say(f"  round {number}  {name:<46}p50 {seen.p50:6.1f}  p99 {seen.p99:6.1f} ms")
    return results


def _wait_and_see(arena: Arena, contestant: Contestant) -> Latency:
    arena.begin(contestant)
    with arena.running(contestant):
        for count in (WARM_UP, EVENTS):
            arena.call(contestant, "engine", "pace", str(count), "--per-second", str(PER_SECOND))
            arena.await_effects(contestant)
    arena.judge(contestant)
    took = [milliseconds for (milliseconds,) in arena.sql(contestant.database, _LATENCIES)]
    return Latency(percentile(took[WARM_UP:], 0.5), percentile(took[WARM_UP:], 0.99))
