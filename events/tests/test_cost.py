"""
What one event costs, in statements and in WAL: the table in docs/events.md.

A new statement, index or fat column fails here. Whoever means it, writes the new figure down.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from events import transactional, waking
from events.base import Context, Group, Route
from events.lanes import BATCH
from events.models import Delivery, Receipt
from events.outbound import deliver_one
from events.outbox import record, record_all
from events.tests.cast import (
    AT,
    HandClock,
    LetterOwed,
    StepTaken,
    record_at,
    route_letters,
    states,
    steps,
)
from events.tests.conftest import UseRoutes
from events.transactional import drain_lane

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 50


@pytest.fixture(autouse=True)
def routes(use_routes: UseRoutes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Handlers that cost nothing, and a batch that a busy machine does not cut in two."""

    def note_step(event: StepTaken, context: Context) -> None: ...

    use_routes(
        {
            StepTaken: (Route(note_step, Group.CORE, ordered=True),),
            **route_letters(lambda *_: None, write=lambda *_: None),
        }
    )
    monkeypatch.setattr(transactional, "BATCH_SECONDS", 60.0)
    monkeypatch.setattr(waking, "_awake_until", {})


@contextmanager
def statements() -> Iterator[list[str]]:
    """Give the first words of what is sent to PostgreSQL, BEGIN and COMMIT included."""
    words: list[str] = []
    with CaptureQueriesContext(connection) as sent:
        yield words
    words += [query["sql"].split()[0].lower() for query in sent.captured_queries]


def record_each() -> None:
    record_at(AT, *steps(MANY))


def record_together(count: int = MANY) -> None:
    with transaction.atomic():
        record_all(steps(count), at=AT)


def drain() -> None:
    drain_lane(Group.CORE, HandClock())
    assert states() == []


def owe_letters() -> None:
    record_at(AT, *[LetterOwed()] * MANY)


def deliver_letters() -> None:
    while deliver_one(Group.MAIL, HandClock()):
        pass
    assert states() == []


def test_recording_is_one_statement_and_one_more_after_the_commit() -> None:
    with statements() as sent, transaction.atomic(), statements() as recording:
        record(StepTaken(), at=AT)
    assert recording == ["select"]
    assert sent == ["begin", "select", "commit", "select"]


@pytest.mark.parametrize("count", [1, MANY])
def test_recording_many_is_one_statement_too(count: int) -> None:
    with statements() as sent:
        record_together(count)
    assert sent == ["begin", "with", "commit", "select"]
    assert Delivery.objects.count() == count


@pytest.mark.parametrize("count", [1, MANY])
def test_a_batch_is_five_statements_and_two_for_each_event(count: int) -> None:
    record_together(count)
    with statements() as sent:
        drain_lane(Group.CORE, HandClock())
    assert len(sent) == 5 + 2 * count
    assert sent.count("savepoint") == sent.count("release") == count
    assert Receipt.objects.count() == count


def test_a_letter_is_delivered_in_eight_statements() -> None:
    record_at(AT, LetterOwed())
    with statements() as sent:
        deliver_one(Group.MAIL, HandClock())
    assert len(sent) == 8
    assert states() == []


@pytest.mark.parametrize(
    ("prepare", "act", "records", "size"),
    [
        pytest.param(lambda: None, record_each, 11.7, 980, id="recorded alone"),
        pytest.param(lambda: None, record_together, 10.7, 945, id="recorded with others"),
        pytest.param(record_together, drain, 6.5, 440, id="drained"),
        pytest.param(owe_letters, deliver_letters, 15.0, 1050, id="a letter delivered"),
    ],
)
def test_an_event_writes_so_much_to_the_log_and_no_more(
    prepare: Callable[[], None], act: Callable[[], None], records: float, size: int
) -> None:
    if connection.pg_version < 180000:  # type: ignore[attr-defined]
        pytest.skip("PostgreSQL tells from 18 on what one connection has written")
    # How long a dead row is kept hangs on everybody else's transactions on this server, and with it
    # who clears it away. What a change of ours adds is there each time.
    cost = min(_cost(prepare, act) for _ in range(3))

    assert cost[0] <= records
    assert cost[1] <= size


def _cost(prepare: Callable[[], None], act: Callable[[], None]) -> list[float]:
    with connection.cursor() as cursor:
        # What earlier tests left behind on the pages would be cleared away here, and be counted.
        cursor.execute("truncate events_event, events_delivery, events_receipt")
    prepare()
    before = written()
    act()
    return [(now - then) / MANY for now, then in zip(written(), before, strict=True)]


def written() -> tuple[int, int]:
    """Return how many records, and bytes of them, this connection wrote to the log so far."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_stat_force_next_flush()")
        cursor.execute(
            """select wal_records, wal_bytes::bigint
               from pg_stat_get_backend_wal(pg_backend_pid())"""
        )
        records, size = cursor.fetchone()
    return records, size


def test_what_a_batch_reads_does_not_follow_the_backlog() -> None:
    """Its plans are made on empty tables, and kept: they must be right for any."""
    drain_lane(Group.CORE, HandClock())
    for _ in range(4):
        record_together(1000)
    Delivery.objects.update(lane=7)

    with transaction.atomic():
        before = rows_read()
        assert drain_lane(Group.CORE, HandClock()) == BATCH
        read = rows_read() - before

    # Found by index, locked, deleted, and looked for behind: each a few times, not 4,000 each.
    assert read <= 10 * BATCH


def rows_read() -> int:
    """Return how many rows this transaction has read of the three tables."""
    with connection.cursor() as cursor:
        cursor.execute(
            """select sum(seq_tup_read + idx_tup_fetch) from pg_stat_xact_user_tables
               where relname in ('events_delivery', 'events_event', 'events_receipt')"""
        )
        return int(cursor.fetchone()[0])
