"""The main job: from a held stay to a confirmed one, door to last effect."""

from collections.abc import Callable
from datetime import timedelta
from threading import Event as Signal
from threading import Thread

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.utils import timezone

from core.tests.threads import eventually
from events.delivery import drain_all
from events.models import Event
from payments.chapa.sandbox.server import RunningSandbox
from payments.models import IncomingWebhook, LedgerEntry, Payment
from payments.services.reconciling import check_due_payments
from workers.tests.journeys.conftest import Client, Pay, held_stay, transaction_of


def test_a_paid_booking_is_confirmed(
    traveller: Client,
    stranger: Client,
    chapa: RunningSandbox,
    pay: Pay,
    drain: Callable[[], int],
    capfd: pytest.CaptureFixture[str],
) -> None:
    booking = held_stay(traveller)
    started = traveller.start_payment(booking["id"])
    assert started.status_code == 201, started.text

    pay(started.json()["checkout_url"])
    eventually(lambda: IncomingWebhook.objects.exists())
    drain()

    after = traveller.get(f"bookings/{booking['id']}").json()
    paid = traveller.get(f"payments/{started.json()['id']}").json()
    assert (after["status"], paid["status"], paid["checkout_url"]) == (
        "confirmed",
        "succeeded",
        None,
    )
    (letter,) = mail.outbox
    assert isinstance(letter, EmailMultiAlternatives)
    for text in (letter.body, *(str(content) for content, _ in letter.alternatives)):
        assert booking["code"] in text
        assert "/checkout/" not in text
        assert "/return/" not in text
    assert stranger.get(f"payments/{paid['id']}").status_code == 404
    logged = capfd.readouterr().err
    assert "checkout" not in logged
    for private in (traveller.user.email, traveller.user.phone_number, "/return/", "CHASECK"):
        assert private not in logged


@pytest.mark.parametrize(
    ("times", "at_once", "delivered"),
    [
        (1, False, "afterwards"),
        (3, False, "afterwards"),
        (3, False, "meanwhile"),
        pytest.param(30, False, "meanwhile", marks=pytest.mark.crash),
        pytest.param(10, True, "afterwards", marks=pytest.mark.crash),
        (10, True, "meanwhile"),
    ],
)
def test_however_often_the_webhook_comes_everything_happens_once(
    traveller: Client,
    chapa: RunningSandbox,
    pay: Pay,
    drain: Callable[[], int],
    times: int,
    at_once: bool,
    delivered: str,
) -> None:
    chapa.faults.set({"webhook": "off", "callback": "off"})
    booking = held_stay(traveller)
    payment = traveller.start_payment(booking["id"]).json()
    pay(payment["checkout_url"])
    done = Signal()

    def work() -> None:
        while not done.wait(0.05):
            drain()
            check_due_payments(timezone.now)
        connection.close()

    workers = [Thread(target=work) for _ in range(3 if delivered == "meanwhile" else 0)]
    for worker in workers:
        worker.start()
    statuses = chapa.chapa.deliveries.send_again(
        transaction_of(chapa, payment), times=times, at_once=at_once
    )
    done.set()
    for worker in workers:
        worker.join()
    check_due_payments(timezone.now)
    # What was refused because someone else was asking is tried again a second later.
    later = timezone.now() + timedelta(seconds=2)
    drain_all(lambda: later)
    check_due_payments(lambda: later)

    assert statuses == [200] * times
    assert IncomingWebhook.objects.count() == times
    assert traveller.get(f"bookings/{booking['id']}").json()["status"] == "confirmed"
    assert LedgerEntry.objects.count() == 1
    assert Event.objects.filter(type="payment.succeeded").count() == 1
    assert Event.objects.filter(type="booking.confirmed").count() == 1
    assert len(mail.outbox) == 1
    assert 1 <= chapa.store.calls(payment["tx_ref"])["verify"] <= 2


@pytest.mark.parametrize("claims", ["callback", "webhook"])
def test_nobody_is_believed_who_says_that_it_is_paid(
    traveller: Client, chapa: RunningSandbox, drain: Callable[[], int], claims: str
) -> None:
    booking = held_stay(traveller)
    payment = traveller.start_payment(booking["id"]).json()
    if claims == "callback":
        traveller.session.get(
            f"{traveller.origin}/callbacks/chapa",
            params={"trx_ref": payment["tx_ref"], "ref_id": "AP1", "status": "success"},
            timeout=10,
        )
    else:
        # Signed by Chapa itself, and still only a claim.
        forged = transaction_of(chapa, payment).pay(method="telebirr", at=timezone.now())
        assert chapa.chapa.deliveries.send_again(forged, times=1, at_once=False) == [200]

    drain()
    check_due_payments(timezone.now)
    drain()

    assert chapa.store.calls(payment["tx_ref"])["verify"] >= 1
    assert traveller.get(f"payments/{payment['id']}").json()["status"] == "pending"
    assert traveller.get(f"bookings/{booking['id']}").json()["status"] == "held"
    assert not LedgerEntry.objects.exists()
    # It is looked at again within seconds.
    next_check_at = Payment.objects.get().next_check_at
    assert next_check_at is not None
    assert next_check_at < timezone.now() + timedelta(seconds=10)


def test_a_traveller_who_fails_first_and_pays_then_has_a_stay(
    traveller: Client, chapa: RunningSandbox, pay: Pay, drain: Callable[[], int]
) -> None:
    booking = held_stay(traveller)
    payment = traveller.start_payment(booking["id"]).json()
    chapa.chapa.decline(transaction_of(chapa, payment))
    eventually(lambda: IncomingWebhook.objects.exists())
    drain()
    assert traveller.get(f"payments/{payment['id']}").json()["status"] == "failed"

    pay(payment["checkout_url"])
    eventually(lambda: IncomingWebhook.objects.count() == 2)
    drain()

    assert traveller.get(f"payments/{payment['id']}").json()["status"] == "succeeded"
    assert traveller.get(f"bookings/{booking['id']}").json()["status"] == "confirmed"


def test_a_fresh_payment_after_a_failed_one_closes_the_old_link(
    traveller: Client, chapa: RunningSandbox, pay: Pay, drain: Callable[[], int]
) -> None:
    booking = held_stay(traveller)
    first = traveller.start_payment(booking["id"]).json()
    chapa.chapa.decline(transaction_of(chapa, first))
    eventually(lambda: IncomingWebhook.objects.exists())
    drain()

    second = traveller.start_payment(booking["id"])

    assert second.status_code == 201
    assert second.json()["tx_ref"] != first["tx_ref"]
    assert transaction_of(chapa, first).link_expired
    pay(second.json()["checkout_url"])
    eventually(lambda: IncomingWebhook.objects.count() == 2)
    drain()
    assert traveller.get(f"bookings/{booking['id']}").json()["status"] == "confirmed"


def test_another_amount_comes_before_a_person_and_nobody_is_asked_to_pay_again(
    traveller: Client, chapa: RunningSandbox, pay: Pay, drain: Callable[[], int]
) -> None:
    booking = held_stay(traveller)
    payment = traveller.start_payment(booking["id"]).json()
    chapa.faults.set({"amount": "37.00"})

    pay(payment["checkout_url"])
    eventually(lambda: IncomingWebhook.objects.exists())
    drain()

    shown = traveller.get(f"payments/{payment['id']}").json()
    assert (shown["status"], shown["failure_reason"]) == ("in_review", "another amount")
    assert str(LedgerEntry.objects.get().amount) == "37.00"
    assert traveller.get(f"bookings/{booking['id']}").json()["status"] == "held"
    assert traveller.start_payment(booking["id"]).status_code == 409
    (letter,) = mail.outbox
    assert letter.subject.startswith("We are looking at your payment")
