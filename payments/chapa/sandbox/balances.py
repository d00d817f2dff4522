"""What is on the account. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from payments.chapa.sandbox.refunds import Refund, RefundState, left_of
from payments.chapa.sandbox.transactions import Status, Transaction


@dataclass(frozen=True, kw_only=True)
class Balance:
    """In major units. What is on its way back is no longer available, but still on the ledger."""

    currency: str
    available: Decimal
    ledger: Decimal


def balance_of(
    currency: str,
    opening: Decimal,
    transactions: Iterable[Transaction],
    refunds: Iterable[Refund],
) -> Balance:
    """Return what came in less charges and refunds; charges do not come back with a refund."""
    of_transaction: dict[str, list[Refund]] = {}
    for refund in refunds:
        of_transaction.setdefault(refund.tx_ref, []).append(refund)
    available = ledger = opening
    for paid in transactions:
        if paid.currency != currency or paid.status not in (Status.SUCCESS, Status.REFUNDED):
            continue
        its_refunds = of_transaction.get(paid.tx_ref, [])
        charge = paid.charge or Decimal(0)
        available += left_of(paid, its_refunds) - charge
        back = [each for each in its_refunds if each.state is RefundState.REFUNDED]
        ledger += left_of(paid, back) - charge
    return Balance(currency=currency, available=available, ledger=ledger)
