"""What is said of a transaction while a fault makes it wrong. Pure."""

from dataclasses import replace
from decimal import Decimal

from payments.chapa.sandbox.transactions import Transaction
from payments.chapa.wire import Mode

_OTHER_MODE = {Mode.TEST: Mode.LIVE, Mode.LIVE: Mode.TEST}


def claimed(transaction: Transaction, claim: str, amount: Decimal | None) -> Transaction:
    """Return the transaction as it is told; with `amount`, if one is given, whatever the claim."""
    if amount is not None:
        return replace(transaction, amount=amount)
    match claim:
        case "gross":
            # The account passes the fee on to the customer.
            return replace(transaction, amount=transaction.amount + (transaction.charge or 0))
        case "amount":
            return replace(transaction, amount=transaction.amount / 2)
        case "currency":
            return replace(transaction, currency="USD" if transaction.currency == "ETB" else "ETB")
        case "mode":
            return replace(transaction, mode=_OTHER_MODE[transaction.mode])
        case "tx_ref":
            return replace(transaction, tx_ref=f"{transaction.tx_ref}-other")
        case "empty":
            return _with_empty_texts(transaction)
    return transaction


def _with_empty_texts(transaction: Transaction) -> Transaction:
    return replace(
        transaction,
        first_name=transaction.first_name or "",
        last_name=transaction.last_name or "",
        email=transaction.email or "",
        phone_number=transaction.phone_number or "",
        title=transaction.title or "",
        description=transaction.description or "",
        logo=transaction.logo or "",
    )
