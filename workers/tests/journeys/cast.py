"""What journeys through trouble share: other hours, every way to be told, and how it must end."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.core import mail
from django.utils import timezone

from bookings.models import Booking
from events.delivery import drain_all
from events.models import Delivery
from payments.chapa.sandbox.server import RunningSandbox
from payments.chapa.sandbox.transactions import Transaction
from payments.chapa.wire.patience import LONGEST_PATIENCE
from payments.models import LedgerEntry, Refund
from payments.services.reconciling import check_due_payments

RESCUE, SWEEP = timedelta(seconds=31), timedelta(seconds=62)
#: Whatever Chapa wished, it may be asked again.
WISH_OVER = LONGEST_PATIENCE + RESCUE
QUIET = {"webhook": "off", "callback": "off"}


def clock_at(at: datetime) -> Callable[[], datetime]:
    return lambda: at


def tell_in_every_way(chapa: RunningSandbox, paid: Transaction) -> None:
    """The webhook now, the rescue half a minute later, the sweep after a minute; all once more."""
    assert chapa.chapa.deliveries.send_again(paid, times=1, at_once=False) == [200]
    drain_all(timezone.now)
    drain_all(clock_at(timezone.now() + RESCUE))
    for later in (SWEEP, WISH_OVER):
        check_due_payments(clock_at(timezone.now() + later))
        drain_all(clock_at(timezone.now() + later))


def assert_paid_once(booking: Booking, tx_ref: str) -> None:
    booking.refresh_from_db()
    entry = LedgerEntry.objects.select_related("payment").get()
    assert (entry.kind, entry.amount) == ("capture", booking.total_amount)
    assert (entry.payment.tx_ref, entry.payment.status) == (tx_ref, "succeeded")
    assert (booking.status, booking.paid_by) == ("confirmed", entry.payment.id)
    assert not Refund.objects.exists()
    assert confirmations() == 1
    assert not Delivery.objects.exists()


def confirmations() -> int:
    """Return how many letters say that a stay is confirmed."""
    return sum(letter.subject.startswith("Your stay is confirmed") for letter in mail.outbox)
