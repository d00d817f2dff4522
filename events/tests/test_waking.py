import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from events.base import Context, Group, Outbound, Repeat, Route
from events.delivery import drain_group
from events.models import Delivery, LaneGroup
from events.outbound import DEADLINE
from events.outbox import record
from events.tests.cast import AT, HandClock, LetterOwed, StepTaken, await_death, record_at, steps
from events.tests.conftest import Start, UseRoutes
from events.waking import CHANNEL, STAYS_AWAKE, groups_with_work, set_sleeping


def note_step(event: StepTaken, context: Context) -> None:
    pass


class WorkerDies(BaseException):
    pass


def ask_and_die(event: Any, context: Context) -> None:
    raise WorkerDies


send_letter = Outbound(
    name="send_letter", ask=ask_and_die, write=lambda *_: None, repeat=Repeat.FREELY
)
ROUTES: Any = {
    StepTaken: (Route(note_step, Group.CORE), Route(send_letter, Group.MAIL)),
    LetterOwed: (Route(send_letter, Group.MAIL),),
}


class Ear:
    """Hears, on a connection of its own, what was notified and committed."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        for group in Group:
            raw.cursor().execute(f"listen {CHANNEL}{group}")

    def heard(self) -> list[str]:
        self.raw.cursor().execute("select 1")
        channels = sorted(notification.channel for notification in self.raw.notifies)
        self.raw.notifies.clear()
        return [channel.removeprefix(CHANNEL) for channel in channels]


@pytest.fixture
def ear(second_connection: Any) -> Ear:
    return Ear(second_connection)


def test_sleeping_groups_are_woken_by_name_and_only_after_the_commit(
    use_routes: UseRoutes, ear: Ear
) -> None:
    use_routes(ROUTES)
    set_sleeping(["core", "chapa", "mail"], sleeping=True, at=AT)

    with transaction.atomic():
        record(StepTaken(), at=AT)
        assert ear.heard() == []

    assert ear.heard() == ["core", "mail"]


def test_nobody_who_is_awake_is_woken(use_routes: UseRoutes, ear: Ear) -> None:
    use_routes(ROUTES)
    set_sleeping(["core", "mail"], sleeping=True, at=AT)
    set_sleeping(["core"], sleeping=False, at=AT)

    record_at(AT, StepTaken())

    assert ear.heard() == ["mail"]


def test_who_found_everybody_awake_does_not_look_again_for_a_moment(
    use_routes: UseRoutes, ear: Ear, second_connection: Any
) -> None:
    use_routes(ROUTES)
    set_sleeping(["core", "mail"], sleeping=False, at=AT)

    with CaptureQueriesContext(connection) as queries:
        record_at(AT, *steps(3))
    assert len([query for query in queries if "events_wake" in query["sql"]]) == 1

    second_connection.cursor().execute("update events_lanegroup set sleeping = true")
    time.sleep(STAYS_AWAKE)
    record_at(AT, StepTaken())
    assert ear.heard() == ["core", "mail"]


def test_a_commit_calls_once_whatever_it_recorded(use_routes: UseRoutes, ear: Ear) -> None:
    use_routes(ROUTES)
    set_sleeping(["core", "mail"], sleeping=True, at=AT)

    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        for event in (*steps(3), LetterOwed()):
            record(event, at=AT)

    assert ear.heard() == ["core", "mail"]
    assert len([query for query in queries if "events_wake" in query["sql"]]) == 1


def test_what_is_rolled_back_wakes_nobody(use_routes: UseRoutes, ear: Ear) -> None:
    use_routes(ROUTES)
    set_sleeping(["core", "mail"], sleeping=True, at=AT)

    with transaction.atomic():
        record(StepTaken(), at=AT)
        transaction.set_rollback(True)

    assert ear.heard() == []


def test_an_event_that_owes_nothing_wakes_nobody(use_routes: UseRoutes, ear: Ear) -> None:
    use_routes({StepTaken: ()})
    set_sleeping(["core", "chapa", "mail"], sleeping=True, at=AT)

    record_at(AT, StepTaken())

    assert ear.heard() == []


@pytest.mark.django_db
def test_the_flag_tells_when_a_relay_was_last_seen() -> None:
    set_sleeping(["core"], sleeping=True, at=AT)

    core = LaneGroup.objects.get(name="core")
    assert (core.sleeping, core.relay_seen_at) == (True, AT)
    assert not LaneGroup.objects.get(name="mail").sleeping


@pytest.mark.django_db
def test_work_is_what_is_due_counted_by_group(use_routes: UseRoutes) -> None:
    use_routes(ROUTES)
    record_at(AT, *steps(2), LetterOwed())
    record_at(AT + timedelta(seconds=5), StepTaken())

    lowest = dict(Delivery.objects.order_by("-id").values_list("group", "id"))
    assert groups_with_work(Group, AT) == {"core": (2, lowest["core"]), "mail": (3, lowest["mail"])}
    assert groups_with_work(Group, AT - timedelta(seconds=1)) == {}


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["blocked", "uncertain", "dead"])
def test_what_cannot_move_by_itself_is_no_work(use_routes: UseRoutes, state: str) -> None:
    use_routes(ROUTES)
    record_at(AT, StepTaken(), LetterOwed())
    Delivery.objects.update(state=state)

    assert groups_with_work(Group, AT + timedelta(days=1)) == {}


def test_a_question_under_way_is_work_again_once_its_worker_is_late(
    use_routes: UseRoutes, transactional_db: None, clock: HandClock
) -> None:
    use_routes(ROUTES)
    record_at(AT, LetterOwed())
    with pytest.raises(WorkerDies):
        drain_group(Group.MAIL, clock)

    assert groups_with_work(Group, AT + DEADLINE) == {}
    assert groups_with_work(Group, AT + DEADLINE + timedelta(seconds=1))["mail"][0] == 1


def test_a_question_under_way_is_work_again_once_its_worker_is_gone(
    use_routes: UseRoutes, transactional_db: None, clock: HandClock, start: Start
) -> None:
    use_routes(ROUTES)
    record_at(AT, LetterOwed())
    with pytest.raises(WorkerDies):
        start(lambda: drain_group(Group.MAIL, clock)).result()
    await_death()

    assert groups_with_work(Group, AT)["mail"][0] == 1
