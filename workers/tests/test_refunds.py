"""Money that a person decides about, over the operators' API."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from core.idempotency import RequestKey
from core.ids import new_id
from core.tests.threads import at_once
from payments.chapa.wire import Outcome
from payments.models import LedgerEntry, Payment, Refund
from payments.services.refunds import request_operator_refund_once
from payments.tests.cast import answer_about, write
from payments.tests.factories import NOW, PaymentFactory
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


def order(client: APIClient, payment: Payment, body: dict[str, Any], key: str = "") -> Any:
    headers = {"Idempotency-Key": key or str(new_id())}
    return client.post(refunds_of(payment), body, format="json", headers=headers)


def test_an_operator_sees_what_is_left_and_sends_part_of_it_back(finance: APIClient) -> None:
    payment = paid()
    before = finance.get(refunds_of(payment)).json()
    assert before["left"] == {"amount": "3700.00", "currency": "ETB"}

    made = order(finance, payment, {"amount": "700.00", "reason": "a broken boiler"})

    assert (made.status_code, made.json()["state"]) == (201, "requested")
    assert made.json()["person"].startswith("user:")
    after = finance.get(refunds_of(payment)).json()
    assert after["left"]["amount"] == "3000.00"
    assert [each["id"] for each in after["refunds"]] == [made.json()["id"]]


def test_the_same_request_twice_sends_back_once(finance: APIClient) -> None:
    payment = paid()
    body = {"amount": "700.00", "reason": "a broken boiler"}

    first, second = (order(finance, payment, body, key="k") for _ in range(2))
    other = order(finance, payment, {**body, "amount": "70.00"}, key="k")
    elsewhere = order(finance, paid(), body, key="k")
    colleague = order(staff("view_event", "add_refund"), payment, body, key="k")

    assert (second.status_code, second.json()) == (201, first.json())
    for reused in (other, elsewhere):
        assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    assert colleague.json()["id"] != first.json()["id"]
    assert Refund.objects.count() == 2


def test_a_refund_without_a_key_is_refused(finance: APIClient) -> None:
    answer = finance.post(refunds_of(paid()), {"reason": "goodwill"}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
    assert not Refund.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_same_request_many_times_at_once_sends_back_once() -> None:
    payment, asked = paid(), RequestKey("k", "700.00")
    principal = new_id()

    made = at_once(
        6,
        lambda _: (
            request_operator_refund_once(
                principal=principal,
                request_key=asked,
                payment_id=payment.id,
                amount=Decimal(700),
                reason="a broken boiler",
                person=f"user:{principal}",
                at=NOW,
            ).id
        ),
    )

    assert (len(set(made)), Refund.objects.count()) == (1, 1)


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
    answer = order(finance, paid(), body)

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
    made = order(finance, payment, {"reason": "goodwill"}).json()
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
    made = order(finance, payment, {"reason": "goodwill"}).json()
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
    made = order(finance, paid(), {"reason": "goodwill"}).json()
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
            url,
            {"reason": "x", **({"sent": True} if "resolve" in url else {})},
            format="json",
            headers={"Idempotency-Key": str(new_id())},
        )
        assert (answer.status_code, answer.json()["code"]) == (404, code)
