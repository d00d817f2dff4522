"""Whether a long log slows the present down: as much work with ten million old events, and none."""

from dataclasses import replace

from workers.bench import contestants
from workers.bench.arena import Arena
from workers.bench.contestants import Contestant
from workers.bench.figures.drain import drain_after
from workers.bench.rounds import take_turns
from workers.devstack.progress import Progress

OLD_EVENTS, STEP = 10_000_000, 1_000_000
EMPTY, LONG = "Guzo, an empty log", f"Guzo, {OLD_EVENTS:,} old events"

_EVENTS = """
insert into events_event (id, type, version, subject, data, actor, correlation_id, occurred_at)
select nextval('events_event_id_seq'), 'order.placed', 1, 'customer:' || n % 500,
       jsonb_build_object('order_id', n, 'customer', n % 500), 'bench', gen_random_uuid(),
       now() - interval '1 year' + n * interval '1 second'
from generate_series({first} + 1, {last}) n
"""
_RECEIPTS = """
insert into events_receipt (event_id, handler, generation, how, attempts, worker, done_at)
select id, 'write_effect', 0, 'done', 1, 'bench', occurred_at from events_event
where id > (select max(id) from events_event) - {count}
"""
# Rebuilding what is dropped takes a tenth of keeping it up row by row.
_INDEXES = """
select indexdef, format('drop index %I', indexname) from pg_indexes
where tablename in ('events_event', 'events_receipt')
  and indexname not in (select conname from pg_constraint)
"""


def measure_history(
    arena: Arena, *, rounds: int, events: int, progress: Progress
) -> dict[str, list[float]]:
    """Return events a second, round by round."""
    empty = contestants.guzo(EMPTY)
    long = make_history(arena, progress)
    progress.say(f"\n  {events:,} events, with and without {OLD_EVENTS:,} old ones")
    arena.begin(empty)
    return take_turns(
        {
            each.name: lambda each=each: drain_now(arena, each, events)  # type: ignore[misc]
            for each in (empty, long)
        },
        rounds=rounds,
        progress=progress,
    )


def make_history(arena: Arena, progress: Progress) -> Contestant:
    """Return Guzo on a database with a long log; it takes some minutes and 6 GB."""
    guzo = contestants.guzo(LONG)
    arena.begin(guzo)
    long = replace(guzo, database="guzo_history")
    arena.copy("guzo_engine_made", long.database)
    indexes = arena.sql(long.database, _INDEXES)
    for _, drop in indexes:
        arena.sql(long.database, drop)
    for first in range(0, OLD_EVENTS, STEP):
        arena.sql(long.database, _EVENTS.format(first=first, last=first + STEP))
        arena.sql(long.database, _RECEIPTS.format(count=STEP))
        progress.say(f"  {first + STEP:>12,} old events")
    for create, _ in indexes:
        arena.sql(long.database, create)
    arena.sql(long.database, "vacuum analyze")
    return long


def drain_now(arena: Arena, contestant: Contestant, events: int) -> float:
    """Return events a second, on the database as it is."""

    def place() -> int:
        arena.script(contestant, "bulk", str(events))
        arena.sql(contestant.database, "vacuum analyze events_delivery")
        arena.sql(contestant.database, "checkpoint")
        return events

    rate = drain_after(arena, contestant, place)
    arena.judge(contestant)
    return rate
