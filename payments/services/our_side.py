"""What the ledger says of the days that a statement compares."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.db.models import Q, QuerySet

from core.money import Money
from payments.models import LedgerEntry, Payment, Refund
from payments.services.seeding import MADE_UP
from payments.statement import Here, Window

# Of months of payments only what is compared stays in memory.
_AT_ONCE = 1000


def captured_in(window: Window) -> QuerySet[LedgerEntry]:
    """Return the captures of the window, without those that Chapa never said."""
    captures = LedgerEntry.objects.filter(
        kind=LedgerEntry.Kind.CAPTURE, recorded_at__gte=window.begins, recorded_at__lt=window.ends
    )
    return captures.exclude(gateway_call__evidence=MADE_UP)


def find_ours(window: Window, references: Iterable[str]) -> list[Here]:
    """Return what was captured in the window, and what has one of these references of Chapa's."""
    names = sorted(filter(None, references))
    several = [names[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE)]
    chosen = (
        Q(id__in=captured_in(window).values("payment_id")),
        *(Q(gateway_reference__in=some) for some in several),
    )
    found = {}
    for which in chosen:
        payments = Payment.objects.filter(which).prefetch_related("ledger", "refunds")
        for payment in payments.iterator(chunk_size=_AT_ONCE):
            found[payment.id] = _here(payment, window.asked_at)
    return list(found.values())


def _here(payment: Payment, asked_at: datetime) -> Here:
    entries = list(payment.ledger.all())
    capture = next((each for each in entries if each.kind == LedgerEntry.Kind.CAPTURE), None)
    back = [
        each
        for each in entries
        if each.kind in (LedgerEntry.Kind.REFUND, LedgerEntry.Kind.REVERSAL)
    ]
    return Here(
        payment_id=payment.id,
        reference=payment.gateway_reference or payment.tx_ref,
        status=payment.status,
        mode=payment.mode,
        captured=Money(capture.amount, capture.currency) if capture else None,
        captured_at=capture.recorded_at if capture else None,
        sent_back=_sum(back),
        # The list was read before what came later.
        sent_back_by_chapa=_sum(
            each for each in back if each.gateway_call_id and each.recorded_at < asked_at
        ),
        on_its_way=_sum(
            each for each in payment.refunds.all() if each.state == Refund.State.SUBMITTED
        ),
    )


def _sum(moved: Iterable[LedgerEntry | Refund]) -> Decimal:
    return sum((each.amount for each in moved), Decimal(0))
