"""What the local Chapa knows of one refund, and what may become of it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Self

from payments.chapa.sandbox.transactions import NotAllowed, Status, Transaction, random_text
from payments.chapa.wire import Mode


class RefundState(StrEnum):
    INITIATED = "initiated"
    PROCESSING = "processing"
    REFUNDED = "refunded"
    REVERSED = "reversed"


UNSETTLED = (RefundState.INITIATED, RefundState.PROCESSING)


@dataclass(frozen=True, kw_only=True)
class Refund:
    """
    One order to send money back. Every change makes a new value.

    `payment_reference` is Chapa's for the charge, `reference` the merchant's own for the refund.
    """

    tx_ref: str
    mode: Mode
    payment_reference: str
    amount: Decimal
    currency: str
    reference: str | None = None
    reason: str | None = None
    meta: Mapping[str, object] | None = None
    requested_at: datetime
    updated_at: datetime
    settles_at: datetime
    ref_id: str = field(default_factory=lambda: f"RF{random_text(10)}")
    state: RefundState = RefundState.INITIATED

    @property
    def moves_at(self) -> datetime | None:
        """When its state changes next; None once it is settled."""
        if self.state is RefundState.INITIATED:
            return self.requested_at + (self.settles_at - self.requested_at) / 2
        return self.settles_at if self.state is RefundState.PROCESSING else None

    def move_on(self, *, at: datetime, end: RefundState) -> Self:
        """Return it as it is by now, with `end` as the state it settles in."""
        if self.state not in UNSETTLED:
            return self
        if at >= self.settles_at:
            return replace(self, state=end, updated_at=at)
        if self.moves_at is not None and at >= self.moves_at:
            return replace(self, state=RefundState.PROCESSING, updated_at=at)
        return self

    def settle(self, end: RefundState, *, at: datetime) -> Self:
        """:raises NotAllowed: if it is settled already."""
        if self.state not in UNSETTLED:
            raise NotAllowed(f"the refund is {self.state}")
        return replace(self, state=end, updated_at=at)


def order_refund(
    transaction: Transaction,
    earlier: Iterable[Refund],
    *,
    amount: Decimal | None,
    reference: str | None,
    reason: str | None,
    meta: Mapping[str, object] | None,
    at: datetime,
    lasts: timedelta,
) -> Refund:
    """
    Return a new refund, of all that is left where no amount is named.

    :raises NotAllowed: if the transaction is not paid, or less than that is left.
    """
    if transaction.status not in (Status.SUCCESS, Status.REFUNDED):
        raise NotAllowed("Only a successful transaction can be refunded")
    left = left_of(transaction, earlier)
    wanted = left if amount is None else amount
    if wanted <= 0 or wanted > left:
        raise NotAllowed("Refund amount cannot exceed the full transaction amount")
    return Refund(
        tx_ref=transaction.tx_ref,
        mode=transaction.mode,
        payment_reference=transaction.reference or "",
        amount=wanted,
        currency=transaction.currency,
        reference=reference,
        reason=reason,
        meta=meta,
        requested_at=at,
        updated_at=at,
        settles_at=at + lasts,
    )


def left_of(transaction: Transaction, refunds: Iterable[Refund]) -> Decimal:
    """Return what was paid and is neither back nor on its way."""
    if transaction.status is Status.REFUNDED:
        return Decimal(0)
    gone = (each.amount for each in refunds if each.state is not RefundState.REVERSED)
    return transaction.amount - sum(gone, Decimal(0))


def is_all_back(whole: Decimal, refunds: Iterable[Refund]) -> bool:
    back = (each.amount for each in refunds if each.state is RefundState.REFUNDED)
    return sum(back, Decimal(0)) >= whole
