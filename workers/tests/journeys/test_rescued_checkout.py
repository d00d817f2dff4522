"""Chapa did not answer at the counter: the rescue, half a minute later."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from core.tests.threads import eventually
from events.models import Delivery
from payments.chapa.sandbox.server import RunningSandbox
from payments.models import IncomingWebhook, LedgerEntry
from workers.tests.journeys.conftest import (
    Client,
    Pay,
    hasten,
    held_stay,
    transaction_of,
)

pytestmark = pytest.mark.crash

Drain = Callable[[], int]


def test_the_rescue_waits_for_the_request_it_rescues(
    traveller: Client, chapa: RunningSandbox, drain: Drain
) -> None:
    chapa.faults.set({"initialize": "500"})
    payment = traveller.start_payment(held_stay(traveller)["id"]).json()
    chapa.faults.set({"initialize": "ok"})

    drain()

    due = Delivery.objects.get(handler="rescue_checkout").next_at - timezone.now()
    assert timedelta(seconds=20) < due < timedelta(seconds=31)
    assert chapa.store.calls(payment["tx_ref"]) == {"initialize": 1, "verify": 0, "cancel": 0}


def test_while_chapa_is_away_the_rescue_goes_on_without_counting(
    traveller: Client, chapa: RunningSandbox, drain: Drain
) -> None:
    booking = held_stay(traveller)
    chapa.faults.set({"initialize": "500", "verify": "500"})
    traveller.start_payment(booking["id"])

    for _ in range(12):
        hasten()
        drain()
    assert Delivery.objects.get(handler="rescue_checkout").state == "retry"

    chapa.faults.clear()
    hasten()
    drain()
    assert traveller.start_payment(booking["id"]).json()["checkout_url"] is not None
    assert not Delivery.objects.exists()


def lose_checkout(
    traveller: Client, chapa: RunningSandbox, drain: Drain
) -> tuple[dict[str, object], dict[str, object]]:
    """Return a booking and its payment, which exists at Chapa and whose page nobody has."""
    booking = held_stay(traveller)
    chapa.faults.set({"initialize": "lose"})
    lost = traveller.start_payment(booking["id"])
    assert (lost.status_code, lost.json()["checkout_url"]) == (202, None)
    chapa.faults.set({"initialize": "ok"})
    hasten()
    drain()
    return booking, traveller.get(f"payments/{lost.json()['id']}").json()


def test_a_lost_page_is_closed_and_the_next_start_opens_a_fresh_one(
    traveller: Client, chapa: RunningSandbox, pay: Pay, drain: Drain
) -> None:
    booking, lost = lose_checkout(traveller, chapa, drain)

    assert (lost["status"], lost["failure_reason"]) == ("cancelled", "checkout_lost")
    assert transaction_of(chapa, lost).link_expired
    fresh = traveller.start_payment(str(booking["id"]))
    assert fresh.status_code == 201
    assert fresh.json()["tx_ref"] != lost["tx_ref"]
    pay(fresh.json()["checkout_url"])
    eventually(lambda: IncomingWebhook.objects.exists())
    drain()
    assert traveller.get(f"bookings/{booking['id']}").json()["status"] == "confirmed"


def test_money_on_a_lost_page_is_not_lost(
    traveller: Client, chapa: RunningSandbox, drain: Drain
) -> None:
    booking, lost = lose_checkout(traveller, chapa, drain)
    fresh = traveller.start_payment(str(booking["id"])).json()

    chapa.chapa.pay(transaction_of(chapa, lost))
    eventually(lambda: IncomingWebhook.objects.exists())
    drain()

    assert traveller.get(f"bookings/{booking['id']}").json()["status"] == "confirmed"
    assert traveller.get(f"payments/{lost['id']}").json()["status"] == "succeeded"
    newer = traveller.get(f"payments/{fresh['id']}").json()
    assert (newer["status"], newer["failure_reason"]) == ("cancelled", "superseded")
    assert transaction_of(chapa, fresh).link_expired
    assert LedgerEntry.objects.count() == 1
    assert len(mail.outbox) == 1


def test_money_on_both_pages_is_kept_once_and_sent_back_once(
    traveller: Client, chapa: RunningSandbox, drain: Drain
) -> None:
    booking, lost = lose_checkout(traveller, chapa, drain)
    fresh = traveller.start_payment(str(booking["id"])).json()

    for payment in (fresh, lost):
        chapa.chapa.pay(transaction_of(chapa, payment))
        eventually(IncomingWebhook.objects.filter(tx_ref=payment["tx_ref"]).exists)
        drain()

    assert traveller.get(f"bookings/{booking['id']}").json()["status"] == "confirmed"
    refunds = {
        entry.payment.tx_ref: [(str(r.amount), r.reason) for r in entry.payment.refunds.all()]
        for entry in LedgerEntry.objects.select_related("payment")
    }
    assert refunds == {fresh["tx_ref"]: [], lost["tx_ref"]: [("3700.00", "surplus")]}
    # Refunds are refused in test mode, as ever, before the letter that orders it had its turn.
    assert [letter.subject.partition(":")[0] for letter in mail.outbox] == [
        "Your stay is confirmed",
        "Your refund takes longer",
    ]


def test_a_used_reference_nobody_knows_the_page_of_is_given_up(
    traveller: Client, chapa: RunningSandbox, drain: Drain
) -> None:
    booking = held_stay(traveller)
    chapa.faults.set({"initialize": "lose", "verify": "404"})
    lost = traveller.start_payment(booking["id"]).json()
    chapa.faults.set({"initialize": "ok"})

    hasten()
    drain()

    shown = traveller.get(f"payments/{lost['id']}").json()
    assert (shown["status"], shown["failure_reason"]) == ("cancelled", "checkout_lost")
    assert chapa.store.calls(lost["tx_ref"])["initialize"] == 2
    assert traveller.start_payment(booking["id"]).status_code == 201
