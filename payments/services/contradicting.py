"""Chapa takes back what it said about money: the ledger stands, and a person must hear of it."""

import structlog

from payments.models import GatewayCall, LedgerEntry, Payment
from payments.services.recording import captured
from payments.settlement import Declined, Known, Mismatched, Paid, SentBack, Verdict, contradicts

log = structlog.get_logger(__name__)


def note_contradiction(payment: Payment, verdict: Verdict, call: GatewayCall) -> None:
    """Log what an answer says against the ledger of a locked payment whose money arrived."""
    if not isinstance(verdict, Paid | Mismatched | SentBack | Declined):
        return
    known = Known(captured(payment), is_gone=_is_gone(payment))
    if contradicts(verdict, owed=payment.owed, known=known):
        log.error(
            "settlement.contradicts",
            payment_id=str(payment.id),
            status=payment.status,
            answer=call.outcome,
            gateway_call_id=str(call.id),
        )


def _is_gone(payment: Payment) -> bool:
    """Whether verify itself said so: after a refund of ours it may call a payment paid for ever."""
    back = (LedgerEntry.Kind.REFUND, LedgerEntry.Kind.REVERSAL)
    return payment.ledger.filter(kind__in=back, gateway_call__kind=GatewayCall.Kind.VERIFY).exists()
