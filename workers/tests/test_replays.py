"""Operators deliver again, or give up: over the API, in the admin, and by the worker's task."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from bookings.models import Booking
from bookings.tests.factories import BookingFactory
from core.ids import new_id
from core.models import User
from events.models import Delivery, Receipt, Replay
from events.tests.cast import record_at
from payments.events import PaymentSucceeded
from payments.tests.factories import PaymentFactory
from workers.tasks import run_replays
from workers.tests.people import person

pytestmark = pytest.mark.django_db


def api(user: User | None) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def operator() -> User:
    return person("view_event", "view_delivery", "view_replay", "add_replay")


@pytest.fixture
def dead() -> Delivery:
    """A paid booking whose confirmation has died."""
    booking = BookingFactory.create()
    payment = PaymentFactory.create(
        reference=booking.id,
        status="succeeded",
        payer=booking.traveller,
        amount=booking.total_amount,
        captured_amount=booking.total_amount,
    )
    record_at(
        timezone.now() - timedelta(hours=1),
        PaymentSucceeded(payment_id=payment.id, reference=booking.id, amount=payment.owed),
    )
    Delivery.objects.update(state="dead", attempts=8)
    return Delivery.objects.get()


BODY = {"select": {"state": "dead"}, "reason": "the bug is mended"}


def post(client: APIClient, path: str = "", body: Any = None) -> Any:
    return client.post(f"/api/v1/ops/replays{path}", {} if body is None else body, format="json")


def test_a_dry_run_is_planned_shown_and_executed_as_it_was(operator: User, dead: Delivery) -> None:
    client = api(operator)

    planned = post(client, body=BODY)

    assert planned.status_code == 201
    shown = planned.json()
    assert (shown["state"], shown["total"], shown["progress"]) == ("planned", 1, {"left": 1})
    assert shown["actor"] == f"user:{operator.id}"
    (found,) = shown["summary"]
    assert (found["handler"], found["found"], found["count"], found["runs"]) == (
        "confirm_paid_booking",
        "dead",
        1,
        True,
    )
    dead.refresh_from_db()
    assert dead.state == "dead"

    begun = post(client, f"/{shown['id']}/execute")
    run_replays()

    assert (begun.status_code, begun.json()["state"]) == (200, "running")
    done = client.get(f"/api/v1/ops/replays/{shown['id']}").json()
    assert (done["state"], done["progress"]) == ("done", {"revived": 1})
    dead.refresh_from_db()
    assert dead.state == "retry"
    assert [each["id"] for each in client.get("/api/v1/ops/replays").json()["results"]] == [
        shown["id"]
    ]
    again = post(client, f"/{shown['id']}/execute")
    assert (again.status_code, again.json()["code"]) == (409, "replay_not_startable")


def test_what_is_not_a_dry_run_runs_at_once(operator: User, dead: Delivery) -> None:
    begun = post(api(operator), body=BODY | {"dry_run": False})

    assert (begun.status_code, begun.json()["state"]) == (201, "running")


@pytest.mark.parametrize(("verb", "status"), [("pause", 200), ("cancel", 200), ("execute", 409)])
def test_a_running_one_can_be_paused_and_cancelled(
    operator: User, dead: Delivery, verb: str, status: int
) -> None:
    client = api(operator)
    replay = post(client, body=BODY | {"dry_run": False}).json()["id"]

    assert post(client, f"/{replay}/{verb}").status_code == status
    run_replays()

    dead.refresh_from_db()
    assert dead.state == ("dead" if status == 200 else "retry")


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"dry_run": False, "reason": " "}, 400, "reason_missing"),
        ({"select": {}}, 400, "empty_selection"),
        ({"select": {"type": "payment.suceeded"}}, 400, "invalid"),
        ({"handler": "confirm"}, 400, "invalid"),
        (
            {"select": {"since": "2027-01-02T00:00Z", "until": "2027-01-01T00:00Z"}},
            400,
            "unknown_selection",
        ),
        ({"select": {"state": "deed"}}, 400, "invalid"),
        ({"select": {"ids": []}}, 400, "invalid"),
        ({"select": {"ids": ["x"]}}, 400, "invalid"),
        ({"select": {"state": "dead", "status": "x"}}, 400, "invalid"),
        ({"select": None}, 400, "invalid"),
        ({"mode": "repeat"}, 400, "invalid"),
        ({"rate": 0}, 400, "invalid"),
        ({"actor": "someone else"}, 400, "invalid"),
        ({"select": {"ids": [4711]}}, 409, "nothing_to_replay"),
        ({"select": {"type": "booking.confirmed"}, "mode": "rerun"}, 409, "not_replayable"),
    ],
)
def test_what_makes_no_sense_is_refused(
    operator: User, dead: Delivery, changed: dict[str, Any], status: int, code: str
) -> None:
    refused = post(api(operator), body=BODY | changed)

    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert refused["Content-Type"] == "application/problem+json"
    assert not Replay.objects.exists()


@pytest.mark.parametrize("verb", ["execute", "pause", "cancel"])
def test_a_replay_that_is_not_there_is_404(operator: User, verb: str) -> None:
    assert post(api(operator), f"/{new_id()}/{verb}").json()["code"] == "replay_unknown"


def test_who_may_look_may_not_act_and_nobody_else_may_look(dead: Delivery) -> None:
    looker = api(person("view_event"))

    assert looker.get("/api/v1/ops/replays").status_code == 200
    assert post(looker, body=BODY).status_code == 403
    for user in (person("view_event", "add_replay", staff=False), person()):
        assert api(user).get("/api/v1/ops/replays").status_code == 403
        assert post(api(user), body=BODY).status_code == 403
    assert APIClient().get("/api/v1/ops/replays").status_code == 401


def in_admin(operator: User, action: str, row: Any, model: str, reason: str) -> str:
    client = Client()
    client.force_login(operator)
    page = client.post(
        f"/admin/events/{model}/",
        {"action": action, "_selected_action": [row.pk], "reason": reason},
        follow=True,
    )
    return page.content.decode()


def test_the_admin_tries_again_with_a_reason(operator: User, dead: Delivery) -> None:
    assert "A reason is needed" in in_admin(operator, "try_again", dead, "delivery", "")
    assert "has begun: 1 of confirm_paid_booking" in in_admin(
        operator, "try_again", dead, "delivery", "mended"
    )
    run_replays()

    dead.refresh_from_db()
    assert dead.state == "retry"
    assert Replay.objects.get().reason == "mended"


def test_the_admin_skips_with_a_reason(operator: User, dead: Delivery) -> None:
    in_admin(operator, "skip", dead, "delivery", "it was settled by telephone")
    run_replays()

    assert not Delivery.objects.exists()
    assert Receipt.objects.get().how == "skipped"
    assert Booking.objects.get().status == "held"


def test_the_admin_executes_pauses_and_cancels_what_is_planned(
    operator: User, dead: Delivery
) -> None:
    post(api(operator), body=BODY)
    replay = Replay.objects.get()

    for action, told in (("pause", "It is planned"), ("execute", "is running"), ("cancel", "is c")):
        assert told in in_admin(operator, action, replay, "replay", "")


def test_the_admin_offers_no_replay_to_who_may_only_look(dead: Delivery) -> None:
    looker = person("view_event", "view_delivery")

    in_admin(looker, "try_again", dead, "delivery", "because")

    assert not Replay.objects.exists()
