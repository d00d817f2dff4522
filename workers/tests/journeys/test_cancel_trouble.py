"""Chapa closes a link badly, or too late, and no money is lost: docs/chapa.md, Trouble."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django.fixtures import Settings

from bookings.models import Booking
from bookings.services.ending import expire_due_holds
from events.delivery import drain_all
from payments.chapa.sandbox.server import RunningSandbox
from payments.models import LedgerEntry, Payment, Refund
from payments.services.reconciling import check_due_payments
from workers.tests.journeys.cases import Case, Expected
from workers.tests.journeys.cast import QUIET, assert_paid_once, clock_at, tell_in_every_way
from workers.tests.journeys.conftest import Client
from workers.tests.journeys.observing import heard_by, state_of, trouble
from workers.tests.journeys.troubles import CANCEL

pytestmark = pytest.mark.crash

END = timedelta(minutes=31)


@pytest.mark.parametrize("case", CANCEL, ids=str)
def test_money_of_a_hold_whose_link_is_closed_badly_is_kept(
    traveller: Client, booking: Booking, chapa: RunningSandbox, settings: Settings, case: Case
) -> None:
    chapa.faults.set(QUIET)
    assert traveller.start_payment(str(booking.id)).status_code == 201
    (opened,) = chapa.store.transactions()
    end = timezone.now() + END
    match case.position:
        case "closed before":
            chapa.chapa.cancel(opened)
        case "paid before":
            chapa.chapa.pay(opened)

    with trouble(chapa, settings, case):
        expire_due_holds(clock_at(end))
        drain_all(clock_at(end))
        heard, then = heard_by("cancel"), state_of(booking)

    (closed,) = chapa.store.transactions()
    assert closed.link_expired == case.effect
    if closed.status != "success":
        # A payment that was under way when the link was closed, or might have been.
        chapa.chapa.pay(closed)
    expire_due_holds(clock_at(end + timedelta(minutes=2)))
    later = end + timedelta(hours=1)
    check_due_payments(clock_at(later))
    drain_all(clock_at(later))

    assert_paid_once(booking, opened.tx_ref)
    assert Expected(heard, None, then, state_of(booking)) == case.expected


def test_a_link_that_chapa_does_not_know_holds_up_no_expiry(
    traveller: Client, booking: Booking, chapa: RunningSandbox
) -> None:
    traveller.start_payment(str(booking.id))
    chapa.store.clear()

    assert expire_due_holds(clock_at(timezone.now() + END)) == {"expired": 1}

    calls = Payment.objects.get().gateway_calls.order_by("id").values_list("kind", "outcome")
    assert list(calls)[1:] == [("cancel", "not_found"), ("verify", "not_found")]


def test_money_that_comes_while_a_new_start_closes_the_older_link_is_all_that_is_taken(
    traveller: Client, booking: Booking, chapa: RunningSandbox
) -> None:
    chapa.faults.set(QUIET)
    older = traveller.start_payment(str(booking.id)).json()
    (opened,) = chapa.store.transactions()
    chapa.chapa.decline(opened)
    assert traveller.post(f"payments/{older['id']}/verify").json()["status"] == "failed"
    chapa.faults.set({"cancel": "race"})

    newer = traveller.start_payment(str(booking.id))

    assert (newer.status_code, newer.json()["checkout_url"]) == (202, None)
    drain_all(clock_at(timezone.now() + END))
    booking.refresh_from_db()
    assert (booking.status, str(booking.paid_by)) == ("confirmed", older["id"])
    assert len(chapa.store.transactions()) == 1
    assert not Refund.objects.exists()


@pytest.mark.parametrize("fault", ["ok", "500", "401"])
def test_money_on_a_link_that_a_new_start_closes_badly_is_kept_once(
    traveller: Client, booking: Booking, chapa: RunningSandbox, fault: str
) -> None:
    chapa.faults.set(QUIET)
    older = traveller.start_payment(str(booking.id)).json()
    (opened,) = chapa.store.transactions()
    chapa.chapa.decline(opened)
    assert traveller.post(f"payments/{older['id']}/verify").json()["status"] == "failed"
    chapa.faults.set({"cancel": fault})

    newer = traveller.start_payment(str(booking.id))

    assert newer.status_code == 201
    chapa.faults.set({"cancel": "ok"})
    for transaction in chapa.store.transactions():
        paid = transaction if transaction.status == "success" else chapa.chapa.pay(transaction)
        tell_in_every_way(chapa, paid)
    booking.refresh_from_db()
    assert (booking.status, str(booking.paid_by)) == ("confirmed", older["id"])
    assert [entry.kind for entry in LedgerEntry.objects.all()] == ["capture", "capture"]
    refund = Refund.objects.get()
    assert (str(refund.payment_id), refund.reason) == (newer.json()["id"], "surplus")
    assert [letter.subject.partition(":")[0] for letter in mail.outbox] == [
        "Your stay is confirmed",
        "Your refund takes longer",
    ]
