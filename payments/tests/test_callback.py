"""Anyone may say that a payment has news."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from core.tests.threads import at_once
from events.delivery import drain_all
from events.models import Event
from payments.models import GatewayCall, LedgerEntry, Payment
from payments.services.checkout import open_checkout
from payments.services.hints import receive_callback
from payments.services.reconciling import check_due_payments
from payments.tests.cast import RunningSandbox
from payments.tests.factories import NOW, PaymentFactory

pytestmark = pytest.mark.django_db

URL = "/callbacks/chapa"
ALWAYS = (200, b'{"status": "received"}')


def answer(response: Any) -> tuple[int, bytes]:
    return response.status_code, response.content


@pytest.mark.parametrize("name", ["trx_ref", "tx_ref"])
@pytest.mark.parametrize("form", ["query", "post with query", "json", "form", "multipart"])
def test_either_spelling_in_any_form_is_a_hint(client: Client, name: str, form: str) -> None:
    payment = PaymentFactory.create(next_check_at=None)
    fields = {name: payment.tx_ref, "status": "success"}
    address = f"{URL}?{name}={payment.tx_ref}&ref_id=AP1&status=success"

    match form:
        case "query":
            response = client.get(address)
        case "post with query":
            response = client.post(address)
        case "json":
            response = client.post(URL, json.dumps(fields), content_type="application/json")
        case "form":
            response = client.post(
                URL,
                f"{name}={payment.tx_ref}",
                content_type="application/x-www-form-urlencoded",
            )
        case _:
            response = client.post(URL, fields)

    after = Payment.objects.get()
    assert answer(response) == ALWAYS
    assert after.status == "pending"
    assert after.hinted_at is not None
    assert after.next_check_at == after.hinted_at
    assert not Event.objects.exists()
    assert not GatewayCall.objects.exists()


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?trx_ref=",
        "?trx_ref=guzo-unknown",
        "?trx_ref=../../verify",
        "?trx_ref=%00",
        "?trx_ref=" + "x" * 500,
        "?trx_ref=%ff",
        "?status=success",
    ],
)
def test_the_answer_does_not_tell_whether_a_payment_exists(client: Client, query: str) -> None:
    assert answer(client.get(URL + query)) == ALWAYS
    assert answer(client.post(URL + query)) == ALWAYS


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b'{"trx_ref": 7}', "application/json"),
        (b"[" * 50_000, "application/json"),
        (b"\xff\xfe", "text/plain"),
        (b"--x", "multipart/form-data; boundary=x"),
        (b"--x", "multipart/form-data"),
        (b" " * (64 * 1024 + 1), "application/json"),
    ],
)
def test_a_body_of_nonsense_gets_the_same_answer(
    client: Client, body: bytes, content_type: str
) -> None:
    assert answer(client.post(URL, body, content_type=content_type)) == ALWAYS


def test_success_claimed_for_an_unpaid_payment_changes_nothing_but_when_to_look(
    client: Client,
) -> None:
    payment = PaymentFactory.create(next_check_at=timezone.now() + timedelta(hours=1))

    client.get(f"{URL}?trx_ref={payment.tx_ref}&status=success")

    after = Payment.objects.get()
    assert (after.status, after.captured_amount) == ("pending", Decimal(0))
    assert after.next_check_at is not None
    assert after.next_check_at <= timezone.now()


@pytest.mark.parametrize(
    ("said_at", "taken"),
    [
        (timedelta(seconds=0), True),
        (timedelta(seconds=9), False),
        (timedelta(seconds=10), True),
    ],
)
def test_hints_are_at_least_ten_seconds_apart(said_at: timedelta, taken: bool) -> None:
    payment = PaymentFactory.create()
    if said_at:
        receive_callback(tx_ref=payment.tx_ref, at=NOW)

    receive_callback(tx_ref=payment.tx_ref, at=NOW + said_at)

    assert hinted_at() == (NOW + said_at if taken else NOW)


@pytest.mark.parametrize(("asked_before", "taken"), [(9, False), (10, True)])
def test_what_was_just_asked_is_not_asked_again(asked_before: int, taken: bool) -> None:
    payment = PaymentFactory.create(asked_at=NOW - timedelta(seconds=asked_before))

    receive_callback(tx_ref=payment.tx_ref, at=NOW)

    assert (hinted_at() is not None) == taken


@pytest.mark.parametrize(
    ("status", "taken"),
    [("pending", True), ("failed", True), ("expired", True), ("succeeded", False)],
)
def test_a_payment_whose_money_is_here_has_no_news(status: str, taken: bool) -> None:
    payment = PaymentFactory.create(status=status)

    receive_callback(tx_ref=payment.tx_ref, at=NOW)

    assert (hinted_at() is not None) == taken


def test_a_hint_never_makes_a_look_later() -> None:
    payment = PaymentFactory.create(next_check_at=NOW - timedelta(minutes=1))

    receive_callback(tx_ref=payment.tx_ref, at=NOW)

    assert Payment.objects.get().next_check_at == NOW - timedelta(minutes=1)


def hinted_at() -> datetime | None:
    return Payment.objects.get().hinted_at


def test_what_django_refuses_to_read_gets_the_same_answer(client: Client) -> None:
    many = "&".join(f"f{n}=1" for n in range(1100))

    answers = [
        client.get(f"/callbacks/chapa?{many}"),
        client.post("/callbacks/chapa", many, content_type="application/x-www-form-urlencoded"),
        client.post(
            "/callbacks/chapa",
            "trx_ref=x",
            content_type="application/x-www-form-urlencoded; charset=latin-1",
        ),
    ]

    assert [(answer.status_code, answer.json()) for answer in answers] == [
        (200, {"status": "received"})
    ] * 3


@pytest.mark.django_db(transaction=True)
def test_many_callbacks_in_ten_seconds_make_us_ask_twice_at_most(
    chapa: RunningSandbox,
) -> None:
    payment = PaymentFactory.create(checkout_url="", next_check_at=NOW + timedelta(minutes=1))
    open_checkout(payment, at=NOW)

    for number in range(200):
        at = NOW + timedelta(seconds=number / 20)
        receive_callback(tx_ref=payment.tx_ref, at=at)
        if number % 10 == 0:
            check_due_payments(lambda at=at: at)  # type: ignore[misc]
            drain_all(lambda at=at: at)  # type: ignore[misc]

    assert 1 <= chapa.store.calls(payment.tx_ref)["verify"] <= 2
    assert Payment.objects.get().status == "pending"


@pytest.mark.django_db(transaction=True)
def test_crowds_of_callbacks_and_sweeps_at_once_make_us_ask_once(chapa: RunningSandbox) -> None:
    payment = PaymentFactory.create(checkout_url="", next_check_at=NOW + timedelta(minutes=1))
    open_checkout(payment, at=NOW)

    def crowd(number: int) -> None:
        for _ in range(20):
            receive_callback(tx_ref=payment.tx_ref, at=NOW)
        check_due_payments(lambda: NOW)

    at_once(4, crowd)

    assert chapa.store.calls(payment.tx_ref)["verify"] == 1


@pytest.mark.django_db(transaction=True)
def test_a_forged_success_for_an_unpaid_payment_ends_as_nothing(
    client: Client, chapa: RunningSandbox, drain: Callable[[], int]
) -> None:
    payment = PaymentFactory.create(checkout_url="", next_check_at=None)
    open_checkout(payment, at=NOW)

    client.get(f"{URL}?trx_ref={payment.tx_ref}&ref_id=AP1&status=success")
    check_due_payments(timezone.now)
    drain()

    after = Payment.objects.get()
    assert chapa.store.calls(payment.tx_ref)["verify"] == 1
    assert (after.status, after.captured_amount) == ("pending", Decimal(0))
    assert not Event.objects.exclude(type="payment.initiated").exists()
    assert not LedgerEntry.objects.exists()
