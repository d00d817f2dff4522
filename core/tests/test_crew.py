"""Threads that do one job after another, and what is heard of them."""

import time
from collections.abc import Callable
from threading import Event, get_ident

import pytest
from django.db import connection

from core.crew import Crew
from core.tests.threads import eventually


def test_there_are_only_as_many_threads_as_jobs_at_once() -> None:
    seen: set[int] = set()

    with Crew[int, None](lambda _: seen.add(get_ident()), most=5, name="test") as crew:
        for number in range(5):
            crew.give(number)
            crew.hear()

    assert len(seen) == 1


def test_what_is_given_beyond_the_most_waits_for_a_thread() -> None:
    seen: set[int] = set()
    may_end = Event()

    def work(_: int) -> None:
        seen.add(get_ident())
        may_end.wait(5)

    with Crew(work, most=2, name="test") as crew:
        for number in range(5):
            crew.give(number)
        assert crew.busy == 5
        eventually(lambda: len(seen) == 2)
        may_end.set()

    assert len(seen) == 2


def test_what_failed_is_raised_to_who_asks_for_it_and_the_thread_goes_on() -> None:
    with Crew[int, float](lambda number: 1 / number, most=5, name="test") as crew:
        crew.give(0)
        (failed,) = crew.hear()
        crew.give(2)
        (done,) = crew.hear()

    with pytest.raises(ZeroDivisionError):
        failed.result()
    assert done.result() == 0.5


def test_nothing_is_heard_of_what_still_runs() -> None:
    may_end = Event()

    with Crew[float, bool](may_end.wait, most=5, name="test") as crew:
        crew.give(5)
        heard = crew.hear(timeout_s=0.01)
        assert (heard, crew.busy) == ([], 1)
        may_end.set()
        assert [done.result() for done in crew.hear()] == [True]
        assert crew.busy == 0


def test_leaving_waits_for_what_was_given() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        time.sleep(0.01)
        done.append(number)

    with Crew(work, most=5, name="test") as crew:
        crew.give(1)
        crew.give(2)

    assert sorted(done) == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_a_thread_closes_its_connection_when_it_ends() -> None:
    def backend(_: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute("select pg_backend_pid()")
            return int(cursor.fetchone()[0])

    with Crew(backend, most=5, name="test") as crew:
        crew.give(1)
        (done,) = crew.hear()

    eventually(gone(done.result()))


def gone(pid: int) -> Callable[[], bool]:
    def look() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("select 1 from pg_stat_activity where pid = %s", [pid])
            return cursor.fetchone() is None

    return look
