"""
What a look at /metrics costs beside a log of a million events: `python -m workers.bench.scrape`.

One million events delivered, 100,000 deliveries owed, a replay of 100,000 items under way. Prints
the time of each query and of the whole page beside one count of all receipts in the same minute,
and what it costs to time a handler.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import requests

from workers.bench.rounds import Spread, describe_machine, ratios
from workers.bench.servers import Servers, running_servers
from workers.console.metric_queries import QUERIES
from workers.devstack.plan import PROJECT
from workers.devstack.progress import Progress

EVENTS, CHUNK = 1_000_000, 100_000
ROUNDS = 9

_EVENTS = """
insert into events_event (type, version, subject, data, actor, correlation_id, occurred_at)
select 'step.taken', 1, 'story:' || mod(n, 50000), '{"number": 1}', 'bench', gen_random_uuid(),
       now() - interval '1 day' + n * interval '50 milliseconds'
from generate_series(1, %s) n
"""
_RECEIPTS = """
insert into events_receipt (event_id, handler, generation, how, attempts, worker, done_at)
select id, 'handler_' || id % 6, 0, 'done', 1, 'bench:1', now() from events_event
"""
# The last tenth of the log is owed, in every state; what failed has its traceback.
_OWED = """
insert into events_delivery (event_id, handler, generation, "group", lane, subject_key, ordered,
    state, next_at, attempts, fence, deadline, doubtful_calls, last_error)
select id, 'handler_' || id % 6, 1, (array['core', 'chapa', 'mail'])[1 + id % 3], id % 64,
    id % 50000, true, state, now(), 0, 0, case when state = 'in_flight' then now() end, 0,
    case when state in ('retry', 'dead', 'uncertain') then repeat(md5(id::text), 60) else '' end
from events_event, lateral (select (array['ready', 'ready', 'ready', 'ready', 'ready', 'blocked',
    'blocked', 'retry', 'dead', case when id % 100 = 9 then 'in_flight' else 'uncertain' end]
    )[1 + id % 10] as state) s
order by id desc limit 100000
"""
_REPLAYS = """
with made as (
    insert into events_replay (id, selection, mode, force, reason, actor, executed_by, created_at,
        state, rate, total, summary)
    select gen_random_uuid(), '{}', 'redeliver', false, '', 'bench', '', now(),
        case when n = 1 then 'running' else 'done' end, 50, 100000, '{}'
    from generate_series(1, 1000) n
    returning id, state
)
insert into events_replayitem (replay_id, event_id, handler, found, outcome)
select made.id, n, 'handler_1', 'dead', ''
from made, generate_series(1, 100000) n where made.state = 'running'
"""
_YARDSTICK = "select count(*) from events_receipt"


def main() -> None:
    progress = Progress()
    with running_servers(progress, "web") as servers:
        progress.say(f"  {describe_machine()}\n")
        _fill(servers, progress)
        given = {"now": datetime.now(UTC), "mode": "test"}
        with _session(servers) as cursor:
            for query in QUERIES:
                _show(progress, next(iter(query.metrics)), _times(cursor, query.sql, given))
            yardstick = _times(cursor, _YARDSTICK, None)
        page = _time(lambda: _scrape(servers))
        _show(progress, "one count of all receipts", yardstick)
        _show(progress, "GET /metrics, all of it", page)
        progress.say(f"\n  the page costs {ratios(page, yardstick).show('{:.2f}')} such counts\n")
        _time_handlers(servers)


def _fill(servers: Servers, progress: Progress) -> None:
    for done in range(CHUNK, EVENTS + 1, CHUNK):
        started = time.monotonic()
        servers.sql(_EVENTS, CHUNK)
        progress.step("events", f"{done:,}", time.monotonic() - started)
    for name, sql in (("receipts", _RECEIPTS), ("owed", _OWED), ("replay", _REPLAYS)):
        started = time.monotonic()
        servers.sql(sql)
        progress.step(name, "written", time.monotonic() - started)
    with _session(servers) as cursor:
        cursor.execute("vacuum analyze")


@contextmanager
def _session(servers: Servers) -> Iterator[Any]:
    """Each statement in a transaction of its own: psycopg2's own `with` would make it one."""
    with closing(servers.connect()) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        yield cursor


def _times(cursor: Any, sql: str, given: dict[str, Any] | None) -> list[float]:
    return _time(lambda: cursor.execute(sql, given))


def _time(look: Callable[[], object]) -> list[float]:
    """Return the milliseconds of each round, after one that nobody counts."""
    look()
    took = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        look()
        took.append((time.perf_counter() - started) * 1000)
    return took


def _show(progress: Progress, name: str, took: list[float]) -> None:
    progress.say(f"  {name:<32}{Spread.of(took).show('{:.1f}')} ms")


def _scrape(servers: Servers) -> None:
    host = urlsplit(servers.plan.environment["PUBLIC_URL"]).netloc
    answer = requests.get(f"{servers.plan.web_url}/metrics", headers={"Host": host}, timeout=60)
    answer.raise_for_status()


def _time_handlers(servers: Servers) -> None:
    """In a process of its own: the engine's settings are read when Django is set up."""
    script = "import django; django.setup(); from workers.bench import timing; timing.main()"
    subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", script],
        cwd=PROJECT,
        env={**servers.plan.environment, "DJANGO_SETTINGS_MODULE": "core.settings"},
        check=True,
    )


if __name__ == "__main__":
    main()
