"""A worker dies at each failpoint of the engine, and others go on where it was."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any, get_args

import pytest
from django.db.models import Count
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from core.failpoints import Failpoint
from events.models import Delivery, Event, Lane, Receipt, Replay
from events.replay import Selection, begin_replay
from events.retry import MAX_ATTEMPTS
from events.tests import doomed
from events.tests.cast import AT, LetterOwed, await_death, record_at, states, steps, traces
from events.tests.conftest import UseRoutes
from events.tests.doomed import DIED, drain_core, drain_mail, run_worker

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

AWAY = timedelta(minutes=20)  # longer than any wait for the next attempt


def failpoints(*areas: str) -> list[Failpoint]:
    return [name for name in get_args(Failpoint) if name.partition(".")[0] in areas]


@pytest.fixture(autouse=True)
def _routes(use_routes: UseRoutes) -> None:
    use_routes(doomed.ROUTES)


def die_at(name: Failpoint, work: Callable[..., Any], **how: Any) -> None:
    assert run_worker(work, die_at=name, **how) == DIED, f"{name} was not reached"
    await_death()


def drain_until_quiet() -> None:
    """Let workers that live drain, now and whenever something is due again."""
    for number in range(MAX_ATTEMPTS):
        for work in (drain_core, drain_mail):
            assert run_worker(work, at=AT + number * AWAY) == 0
        if set(states()) <= {"dead", "blocked", "uncertain"}:
            return
    raise AssertionError(states())


def steps_of(rows: Any) -> Counter[str]:
    """Count the steps that receipts or deliveries are about, as handlers call them in traces."""
    facts = {event.id: event.data for event in Event.objects.all()}
    return Counter(
        f"{row.handler} {facts[row.event_id]['story']} {facts[row.event_id]['number']}"
        for row in rows
    )


def assert_each_step_is_done_or_owed(client: Client) -> None:
    """Exactly once, in order; what has an effect has a receipt; what is owed is in the metrics."""
    done = Counter(trace for trace in traces() if not trace.startswith("changed"))
    owed = steps_of(Delivery.objects.all())
    assert done + owed == Counter(
        f"{handler} {event.data['story']} {event.data['number']}"
        for event in Event.objects.all()
        for handler in ("note_step", "count_step")
    )
    assert done == steps_of(Receipt.objects.all())
    for story in {event.data["story"] for event in Event.objects.all()}:
        noted = [trace for trace in traces() if trace.startswith(f"note_step {story} ")]
        assert noted == sorted(noted)
    assert_owed_is_seen(client)


def assert_owed_is_seen(client: Client) -> None:
    page = client.get("/metrics").content.decode()
    seen = {
        (sample.labels["handler"], sample.labels["state"]): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "guzo_deliveries"
    }
    groups = Delivery.objects.values_list("handler", "state").annotate(Count("id")).order_by()
    assert seen == {(handler, state): count for handler, state, count in groups}


@pytest.mark.parametrize("name", failpoints("record", "record_all", "wake"))
def test_a_change_its_event_and_its_debts_are_there_together_or_not_at_all(
    client: Client, name: Failpoint
) -> None:
    die_at(name, doomed.record_changes)

    changed = [trace for trace in traces() if trace.startswith("changed")]
    assert changed == [f"changed one {event.data['number']}" for event in Event.objects.all()]
    assert_each_step_is_done_or_owed(client)
    assert run_worker(doomed.record_changes) == 0
    drain_until_quiet()
    assert_each_step_is_done_or_owed(client)
    assert Receipt.objects.count() == 8


def _come_in_behind_a_failed_one() -> None:
    assert run_worker(drain_core) == 0
    assert "blocked" in states()
    record_at(AT, steps(5, "faulty")[-1])


def _fail_at_the_commit() -> None:
    record_at(AT, *steps(2, "hollow"))


def _use_up_the_attempts() -> None:
    first = Delivery.objects.filter(handler="note_step", event__data__story="one").earliest("id")
    Delivery.objects.filter(id=first.id).update(attempts=MAX_ATTEMPTS)


BEFORE: dict[Failpoint, Callable[[], None]] = {
    "drain.blocked_parked": _come_in_behind_a_failed_one,
    "alone.failure_written": _fail_at_the_commit,
    "alone.given_up": _use_up_the_attempts,
}


@pytest.mark.parametrize("name", failpoints("drain", "alone"))
def test_a_drain_that_dies_is_taken_over_at_once_and_happens_once(
    client: Client, name: Failpoint
) -> None:
    record_at(AT, *steps(4), *steps(4, "faulty"))
    BEFORE.get(name, lambda: None)()
    # In one lane, so that each death takes the others' batch along.
    Delivery.objects.update(lane=7)
    if name.startswith("alone"):
        die_at("drain.receipts_taken", drain_core)

    die_at(name, drain_core)
    assert_each_step_is_done_or_owed(client)
    assert run_worker(drain_core) == 0
    assert "count_step faulty 4" in traces()
    assert_each_step_is_done_or_owed(client)
    drain_until_quiet()

    assert_each_step_is_done_or_owed(client)
    stuck = ["dead", "blocked", "blocked", "blocked"] if name == "alone.given_up" else []
    assert states() == stuck
    assert not Lane.objects.filter(owner_pid__isnull=False).exists()


TAKE_BACK = ("outbound.taken_back", "outbound.take_back_committed")
BEFORE_THE_CALL = ("outbound.claimed", *TAKE_BACK)


@pytest.mark.parametrize("repeat", ["FREELY", "ONCE_LATER", "NEVER"])
@pytest.mark.parametrize("name", failpoints("outbound"))
def test_a_call_whose_worker_dies_is_repeated_as_its_handler_says(
    client: Client, name: Failpoint, repeat: str
) -> None:
    reader = "faulty" if name == "outbound.failure_written" else "selam"
    record_at(AT, LetterOwed(reader=reader))
    routes = f"{doomed.__name__}.{repeat}"
    if name in TAKE_BACK:
        die_at("outbound.claimed", drain_mail, routes=routes)

    die_at(name, drain_mail, routes=routes)
    assert_owed_is_seen(client)
    for minutes in range(3):
        assert run_worker(drain_mail, at=AT + timedelta(minutes=minutes), routes=routes) == 0

    asked, wrote = (traces().count(f"{what} {reader}") for what in ("asked", "wrote"))
    asked_before = int(name not in BEFORE_THE_CALL)
    if name == "outbound.committed":
        assert (asked, wrote, states()) == (1, 1, [])
    elif repeat == "NEVER":
        assert (asked, wrote, states()) == (asked_before, 0, ["uncertain"])
    else:
        assert (asked, wrote, states()) == (asked_before + 1, 1, [])
    assert Receipt.objects.count() == wrote
    assert_owed_is_seen(client)


def test_a_call_that_is_doubtful_twice_waits_for_a_person(client: Client) -> None:
    record_at(AT, LetterOwed())
    routes = f"{doomed.__name__}.ONCE_LATER"
    for minutes in (0, 1):
        at = AT + timedelta(minutes=minutes)
        die_at("outbound.asked", drain_mail, at=at, routes=routes)
        assert run_worker(drain_mail, at=at, routes=routes) == 0

    assert run_worker(drain_mail, at=AT + timedelta(days=1), routes=routes) == 0

    assert traces() == ["asked selam", "asked selam"]
    assert states() == ["uncertain"]
    assert_owed_is_seen(client)


REPLAYED = {"redeliver": 1, "rerun": 2, "skip": 0}


@pytest.mark.parametrize("mode", REPLAYED)
@pytest.mark.parametrize("name", failpoints("replay"))
def test_a_replay_whose_worker_dies_does_the_rest_and_nothing_twice(
    client: Client, name: Failpoint, mode: str
) -> None:
    record_at(AT, *steps(12))
    if mode == "rerun":
        drain_until_quiet()
    else:
        Delivery.objects.update(state=Delivery.State.DEAD, attempts=MAX_ATTEMPTS)
    # Ten items a batch: the first one dies, or the worker after it.
    replay = begin_replay(
        Selection(type="step.taken"), mode=mode, rate=100, actor="test", reason="to see", at=AT
    )

    die_at(name, doomed.advance_replays)
    assert_owed_is_seen(client)
    assert run_worker(doomed.advance_replays, at=AT + AWAY) == 0
    drain_until_quiet()

    replay.refresh_from_db()
    outcome = {"redeliver": "revived", "rerun": "added", "skip": "skipped"}[mode]
    assert (replay.state, replay.progress()) == (Replay.State.DONE, {outcome: 24})
    assert Counter(traces()) == Counter(
        {
            f"{handler} one {number}": REPLAYED[mode]
            for handler in ("note_step", "count_step")
            for number in range(1, 13)
        }
    )
    assert (states(), Receipt.objects.count()) == ([], 24 * max(1, REPLAYED[mode]))
