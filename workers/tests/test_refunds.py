"""Money that a person decides about, over the operators' API."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from core.ids import new_id
from payments.chapa.wire import Outcome
from payments.models import LedgerEntry, Payment, Refund
from payments.tests.cast import answer_about, write
from payments.tests.factories import PaymentFactory
from workers.tests.people import staff

pytestmark = pytest.mark.django_db


def paid(**changed: Any) -> Payment:
    payment = PaymentFactory.create()
    write(answer_about(payment, Outcome.PAID, **changed))
    return payment


@pytest.fixture
def finance() -> APIClient:
    return staff("view_event", "add_refund")


def refunds_of(payment: Payment) -> str:
    return f"/api/v1/ops/payments/{payment.id}/refunds"


def test_an_operator_sees_what_is_left_and_sends_part_of_it_back(finance: APIClient) -> None:
    payment = paid()
    before = finance.get(refunds_of(payment)).json()
    assert before["left"] == {"amount": "3700.00", "currency": "ETB"}

    made = finance.post(
        refunds_of(payment), {"amount": "700.00", "reason": "a broken boiler"}, format="json"
    )

    assert (made.status_code, made.json()["state"]) == (201, "requested")
    assert made.json()["person"].startswith("user:")
    after = finance.get(refunds_of(payment)).json()
    assert after["left"]["amount"] == "3000.00"
    assert [each["id"] for each in after["refunds"]] == [made.json()["id"]]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"amount": "3700.01", "reason": "x"}, 409, "refund_too_large"),
        ({"amount": "0.00", "reason": "x"}, 400, "refund_of_nothing"),
        ({"amount": "-1", "reason": "x"}, 400, "invalid"),
        ({"amount": "-", "reason": "x"}, 400, "invalid"),
        ({"amount": "", "reason": "x"}, 400, "invalid"),
        ({"amount": None, "reason": "x"}, 400, "invalid"),
        ({"amount": "1.001", "reason": "x"}, 400, "invalid"),
        ({"amount": "1.00"}, 400, "reason_missing"),
        ({"amount": "1.00", "reason": "x" * 81}, 400, "invalid"),
        ({"amount": "1.00", "reason": "x", "currency": "USD"}, 400, "invalid"),
    ],
)
def test_a_refund_that_cannot_be_is_refused_by_name(
    finance: APIClient, body: dict[str, str], status: int, code: str
) -> None:
    answer = finance.post(refunds_of(paid()), body, format="json")

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Refund.objects.exists()


def test_a_mismatch_is_accepted_with_a_reason_once(finance: APIClient) -> None:
    payment = paid(amount=Decimal(3699))
    accept = f"/api/v1/ops/payments/{payment.id}/accept"

    assert finance.post(accept, {}, format="json").json()["code"] == "reason_missing"
    taken = finance.post(accept, {"reason": "one birr short"}, format="json")
    again = finance.post(accept, {"reason": "one birr short"}, format="json")

    assert (taken.status_code, taken.json()["status"]) == (200, "succeeded")
    assert (again.status_code, again.json()["code"]) == (409, "payment_not_in_review")
    assert LedgerEntry.objects.get(kind="acceptance").person.startswith("user:")


def test_a_doubt_about_a_refund_is_ended_by_a_person(finance: APIClient) -> None:
    payment = paid()
    made = finance.post(refunds_of(payment), {"reason": "goodwill"}, format="json").json()
    Refund.objects.update(state="failed", failure_reason="refund_refused_in_test_mode")
    resolve = f"/api/v1/ops/refunds/{made['id']}/resolve"

    for sent in ("yes", "true", 1, None):
        doubtful = finance.post(resolve, {"sent": sent, "reason": "by bank"}, format="json")
        assert (doubtful.status_code, doubtful.json()["code"]) == (400, "invalid")
    ended = finance.post(resolve, {"sent": True, "reason": "by bank transfer"}, format="json")
    again = finance.post(resolve, {"sent": True, "reason": "by bank transfer"}, format="json")

    assert (ended.status_code, ended.json()["state"]) == (200, "succeeded")
    assert (again.status_code, again.json()["code"]) == (409, "refund_ended")
    payment.refresh_from_db()
    assert payment.status == "refunded"


def test_who_decided_about_a_refund_and_why_is_shown(finance: APIClient) -> None:
    payment = paid()
    made = finance.post(refunds_of(payment), {"reason": "goodwill"}, format="json").json()
    resolve = f"/api/v1/ops/refunds/{made['id']}/resolve"

    finance.post(resolve, {"sent": False, "reason": "asked for by nobody"}, format="json")

    (shown,) = finance.get(refunds_of(payment)).json()["refunds"]
    (said,) = shown["resolutions"]
    assert (shown["state"], said["sent"], said["reason"]) == (
        "failed",
        False,
        "asked for by nobody",
    )
    assert said["person"] == made["person"]
    timeline = finance.get(f"/api/v1/ops/payments/{payment.id}/timeline").json()
    (entry,) = [each for each in timeline["entries"] if each["who"] == made["person"]]
    assert (entry["what"], entry["detail"]) == (
        "said of a refund: not sent",
        "3,700.00 ETB, asked for by nobody",
    )


def test_nobody_ends_a_refund_that_chapa_is_asked_for(finance: APIClient) -> None:
    made = finance.post(refunds_of(paid()), {"reason": "goodwill"}, format="json").json()
    Refund.objects.update(state="unknown", submitted_at=timezone.now())
    resolve = f"/api/v1/ops/refunds/{made['id']}/resolve"

    answer = finance.post(resolve, {"sent": False, "reason": "not seen"}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (409, "refund_under_way")


def test_who_may_look_may_not_act_and_nothing_is_found_for_nobody(finance: APIClient) -> None:
    payment = paid()
    looker = staff("view_event")
    assert looker.get(refunds_of(payment)).status_code == 200
    for path in ("refunds", "accept"):
        url = f"/api/v1/ops/payments/{payment.id}/{path}"
        assert looker.post(url, {"reason": "x"}, format="json").status_code == 403
    nowhere = new_id()
    for url, code in (
        (f"/api/v1/ops/payments/{nowhere}/refunds", "payment_unknown"),
        (f"/api/v1/ops/payments/{nowhere}/accept", "payment_unknown"),
        (f"/api/v1/ops/refunds/{nowhere}/resolve", "refund_unknown"),
    ):
        answer = finance.post(
            url, {"reason": "x", **({"sent": True} if "resolve" in url else {})}, format="json"
        )
        assert (answer.status_code, answer.json()["code"]) == (404, code)
