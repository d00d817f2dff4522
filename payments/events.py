"""What payments state. Nobody here knows who listens: workers/routes.py does."""

from dataclasses import dataclass
from datetime import date
from typing import ClassVar
from uuid import UUID

from core.money import Money
from events.base import DomainEvent


@dataclass(frozen=True, kw_only=True)
class PaymentEvent(DomainEvent):
    """About one payment; `reference` is what it pays for, opaque down here."""

    payment_id: UUID
    reference: UUID

    @property
    def subject(self) -> str:
        return f"payment:{self.payment_id}"


@dataclass(frozen=True, kw_only=True)
class PaymentInitiated(PaymentEvent):
    """A payment exists and Chapa is about to be asked for a checkout."""

    type: ClassVar[str] = "payment.initiated"
    amount: Money


@dataclass(frozen=True, kw_only=True)
class PaymentSucceeded(PaymentEvent):
    """Chapa, asked directly, says that exactly the amount owed has arrived."""

    type: ClassVar[str] = "payment.succeeded"
    amount: Money


@dataclass(frozen=True, kw_only=True)
class PaymentFailed(PaymentEvent):
    """Chapa said no, to the checkout or to the traveller. Not final: money may still arrive."""

    type: ClassVar[str] = "payment.failed"
    reason: str


@dataclass(frozen=True, kw_only=True)
class PaymentCancelled(PaymentEvent):
    """The checkout was given up before money arrived."""

    type: ClassVar[str] = "payment.cancelled"
    reason: str


@dataclass(frozen=True, kw_only=True)
class PaymentExpired(PaymentEvent):
    """What it was for is no longer held; the checkout is closed and still watched."""

    type: ClassVar[str] = "payment.expired"


@dataclass(frozen=True, kw_only=True)
class PaymentMismatched(PaymentEvent):
    """Money arrived, but not as owed. It is in the ledger; a person decides."""

    type: ClassVar[str] = "payment.mismatched"
    owed: Money
    arrived: Money
    reason: str


@dataclass(frozen=True, kw_only=True)
class PaymentRefunded(PaymentEvent):
    """Chapa says that the money went back to the traveller."""

    type: ClassVar[str] = "payment.refunded"
    amount: Money


@dataclass(frozen=True, kw_only=True)
class PaymentReversed(PaymentEvent):
    """Chapa says that the money was taken back."""

    type: ClassVar[str] = "payment.reversed"
    amount: Money


@dataclass(frozen=True, kw_only=True)
class RefundRequested(PaymentEvent):
    """Money must go back; it is not sent yet."""

    type: ClassVar[str] = "refund.requested"
    refund_id: UUID
    amount: Money
    reason: str


@dataclass(frozen=True, kw_only=True)
class RefundSucceeded(PaymentEvent):
    """An order to send money back is carried out."""

    type: ClassVar[str] = "refund.succeeded"
    refund_id: UUID
    amount: Money


@dataclass(frozen=True, kw_only=True)
class RefundFailed(PaymentEvent):
    """The money of an order is still here. A person decides."""

    type: ClassVar[str] = "refund.failed"
    refund_id: UUID
    amount: Money
    reason: str


@dataclass(frozen=True, kw_only=True)
class RefundDelayed(PaymentEvent):
    """Chapa has, or may have, an order and does not say how it ended. A person finds out."""

    type: ClassVar[str] = "refund.delayed"
    refund_id: UUID
    amount: Money


@dataclass(frozen=True, kw_only=True)
class PaymentAccepted(PaymentEvent):
    """A person takes what arrived for what is owed."""

    type: ClassVar[str] = "payment.accepted"
    arrived: Money
    reason: str


@dataclass(frozen=True, kw_only=True)
class StatementDiffered(DomainEvent):
    """Chapa's list and the ledger differ in what they did not before. A person decides."""

    type: ClassVar[str] = "statement.differed"
    statement_id: UUID
    since: date
    until: date

    @property
    def subject(self) -> str:
        return f"statement:{self.statement_id}"


@dataclass(frozen=True, kw_only=True)
class WebhookReceived(DomainEvent):
    """
    Chapa called with a good signature. What it claims is only a hint to ask.

    `claims`: the status that it gives the charge; empty if it is about anything else.
    """

    type: ClassVar[str] = "webhook.received"
    webhook_id: UUID
    tx_ref: str
    claims: str

    @property
    def subject(self) -> str:
        return f"webhook:{self.webhook_id}"
