"""The sweep: ask Chapa about every payment whose time has come, in whatever state it is."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db.models import Q

from payments.models import Payment
from payments.services.breaker import Breaker
from payments.services.leasing import PaymentBusy
from payments.services.settling import settle_payment
from payments.settlement import NoAnswer

log = structlog.get_logger(__name__)


def check_due_payments(
    clock: Callable[[], datetime],
    *,
    limit: int = 100,
    time_slice: timedelta = timedelta(seconds=50),
) -> Counter[str]:
    """
    Settle what is due, the longest due first; return how often each verdict came.

    Safe to run several times at once: the lease to ask lets one of them ask about a payment, and a
    payment asked about is no longer due. One that cannot be settled does not stop the others.
    """
    verdicts: Counter[str] = Counter()
    started = clock()
    breaker = Breaker.at(started)
    still_due = Q(next_check_at__lte=started)
    for payment_id in _due(started, limit):
        if clock() > started + time_slice or breaker.is_open:
            break
        try:
            verdict = settle_payment(payment_id=payment_id, at=clock(), only_if=still_due)
        except PaymentBusy:
            verdicts["busy"] += 1
            continue
        except Exception:
            log.exception("payment.not_settled", payment_id=str(payment_id))
            verdicts["failed"] += 1
            continue
        verdicts[type(verdict).__name__] += 1
        breaker.note(answered=not isinstance(verdict, NoAnswer))
        if isinstance(verdict, NoAnswer) and verdict.misconfigured:
            break
    if verdicts:
        log.info("payments.checked", **verdicts)
    return verdicts


def _due(at: datetime, limit: int) -> list[UUID]:
    return list(
        # One of the other mode is refused to our key; asking would only hold up the sweep.
        Payment.objects.filter(next_check_at__lte=at, mode=settings.CHAPA_MODE)
        .order_by("next_check_at")
        .values_list("id", flat=True)[:limit]
    )
