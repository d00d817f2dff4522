"""The lease to ask: at any moment, one process alone talks to Chapa about a payment."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from core.errors import TooMany
from payments.models import Payment

# Longer than connect (3 s) and read (10 s) together: a lease outlives the call it is for.
LEASE = timedelta(seconds=20)
ALWAYS = Q()


@dataclass(frozen=True)
class Claim:
    """A payment, and the right to ask about it that was taken at `at`."""

    payment: Payment
    at: datetime
    leased_until: datetime


class PaymentBusy(TooMany):
    """Chapa is being asked about this payment right now."""

    code = "payment_busy"


def take_lease(payment_id: UUID, at: datetime, *, only_if: Q = ALWAYS) -> datetime:
    """
    Take the right to ask, by compare-and-set; return until when it lasts.

    `only_if`: what made the caller want to ask, so that it does not ask what someone else did
    in the meantime.

    :raises PaymentBusy: if someone else has it, or had it; they write what they hear.
    """
    free = Q(asking_until__isnull=True) | Q(asking_until__lte=at)
    until = at + LEASE
    if not Payment.objects.filter(free, only_if, id=payment_id).update(asking_until=until):
        raise PaymentBusy("Try again in a second.", retry_after=timedelta(seconds=1))
    return until


def claim_due(at: datetime, *, due_by: datetime, most: int) -> list[Claim]:
    """
    Take the right to ask about payments that were due then, the longest due first.

    Safe to run several times at once: what somebody else has, or is just taking, is passed over.
    Who claims must settle or put off what it got, else it is claimed again when the lease is over.
    """
    until = at + LEASE
    claimed = Payment.objects.raw(
        "select * from payments_claim_due(%s, %s, %s, %s, %s)",
        # One of the other mode is refused to our key; asking would only hold up the sweep.
        [at, due_by, until, settings.CHAPA_MODE, most],
    )
    return [Claim(payment, at, until) for payment in claimed]


def release_lease(payment_id: UUID, until: datetime) -> None:
    """Give back the lease that lasts until then; another one, taken since, is left alone."""
    Payment.objects.filter(id=payment_id, asking_until=until).update(asking_until=None)
