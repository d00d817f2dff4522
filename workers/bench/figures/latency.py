"""How long after its commit an event has its effect, while few come and everybody waits."""

from dataclasses import dataclass

from workers.bench import contestants
from workers.bench.arena import Arena
from workers.bench.contestants import Contestant
from workers.bench.rounds import percentile, turns
from workers.devstack.progress import Progress

PER_SECOND = 20
EVENTS = 600
WARM_UP = 40

# PostgreSQL dates every commit as it is written (track_commit_timestamp), before its flush. Whoever
# placed an order is told that it stands once that flush is over: the engine's time begins there.
_LATENCIES = """
select extract(epoch from done.at - told.at)::float8 * 1000,
       extract(epoch from done.at - pg_xact_commit_timestamp(o.xmin))::float8 * 1000
from shop_order o
join shop_acknowledgement told on told.order_id = o.id
join (select order_id, pg_xact_commit_timestamp(xmin) as at from shop_effect) done
     on done.order_id = o.id
order by o.id
"""


@dataclass(frozen=True)
class Latency:
    """
    Milliseconds from the commit of the order to the commit of its effect.

    `p99_flushed` counts the flush of the order's own commit as well, which no engine can shorten.
    """

    p50: float
    p99: float
    p99_flushed: float


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
            contestants.listener(),
        )
    }
    results: dict[str, list[Latency]] = {name: [] for name in those}
    for number, name in turns(list(those), rounds):
        seen = _wait_and_see(arena, those[name])
        results[name].append(seen)
        progress.say(
            f"  round {number}  {name:<46}p50 {seen.p50:6.1f}  p99 {seen.p99:6.1f} ms"
            f" ({seen.p99_flushed:.1f} with the order's flush)"
        )
    return results


def _wait_and_see(arena: Arena, contestant: Contestant) -> Latency:
    arena.begin(contestant)
    with arena.running(contestant):
        for count in (WARM_UP, EVENTS):
            arena.call(contestant, "engine", "pace", str(count), "--per-second", str(PER_SECOND))
            arena.await_effects(contestant)
    arena.judge(contestant)
    measured = arena.sql(contestant.database, _LATENCIES)[WARM_UP:]
    told, written = zip(*measured, strict=True)
    return Latency(percentile(told, 0.5), percentile(told, 0.99), percentile(written, 0.99))
