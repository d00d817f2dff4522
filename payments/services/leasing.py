"""The lease to ask: at any moment, one process alone talks to Chapa about a payment."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q

from core.errors import TooMany
from payments.models import Payment

# Longer than connect (3 s) and read (10 s) together: a lease outlives the call it is for.
LEASE = timedelta(seconds=20)
ALWAYS = Q()


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


def release_lease(payment_id: UUID, until: datetime) -> None:
    """Give back the lease that lasts until then; another one, taken since, is left alone."""
    Payment.objects.filter(id=payment_id, asking_until=until).update(asking_until=None)
