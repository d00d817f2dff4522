"""What the local Chapa knows of one transaction, and what may become of it. Pure."""

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Self

from payments.chapa.wire import Mode

# Chapa lets the customer of a failed payment try again up to 10 times.
MAX_ATTEMPTS = 10
# Chapa's sample charges 3.5 on 100; no rate is documented.
_CHARGE_RATE = Decimal("0.035")
_LETTERS_AND_DIGITS = string.ascii_letters + string.digits


class Status(StrEnum):
    PENDING = "pending"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "failed/cancelled"
    REFUNDED = "refunded"
    REVERSED = "reversed"


UNPAID = (Status.PENDING, Status.FAILED, Status.CANCELLED)


class NotAllowed(Exception):
    """The transaction is not in a state for this; says so in a sentence."""


def random_text(length: int) -> str:
    return "".join(secrets.choice(_LETTERS_AND_DIGITS) for _ in range(length))


@dataclass(frozen=True, kw_only=True)
class Happening:
    """One line of what Chapa shows of a transaction's past."""

    message: str
    is_error: bool
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """One checkout. Amounts are in major units; every change makes a new value."""

    tx_ref: str
    mode: Mode
    amount: Decimal
    currency: str
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone_number: str | None = None
    callback_url: str | None = None
    return_url: str | None = None
    title: str | None = None
    description: str | None = None
    logo: str | None = None
    meta: Mapping[str, object] | None = None
    created_at: datetime
    updated_at: datetime
    token: str = field(default_factory=lambda: random_text(45))
    status: Status = Status.PENDING
    link_expired: bool = False
    attempts: int = 0
    reference: str | None = None
    method: str | None = None
    charge: Decimal | None = None
    failure_reason: str | None = None
    happenings: tuple[Happening, ...] = ()
    arrives_at: datetime | None = None
    arrives_by: str | None = None

    def is_payable(self, *, at: datetime, lifetime: timedelta) -> bool:
        """Whether the link still takes money."""
        open_link = not self.link_expired and at < self.created_at + lifetime
        if self.arrives_at is not None:
            return False
        return open_link and self.status in UNPAID and self.attempts < MAX_ATTEMPTS

    def pay_later(self, *, method: str, arrives_at: datetime) -> Self:
        """Return it with money on its way: the customer can do nothing more."""
        return replace(self, arrives_at=arrives_at, arrives_by=method)

    def pay(self, *, method: str, at: datetime) -> Self:
        """:raises NotAllowed: if it was paid before."""
        charge = (self.amount * _CHARGE_RATE).quantize(Decimal("0.01"))
        return self._attempt(Status.SUCCESS, at=at, method=method, charge=charge, reason=None)

    def fail(self, *, method: str, at: datetime) -> Self:
        """:raises NotAllowed: if it was paid before."""
        reason = "The payment was not authorised"
        return self._attempt(Status.FAILED, at=at, method=method, charge=None, reason=reason)

    def decline(self, *, at: datetime) -> Self:
        """:raises NotAllowed: if it was paid before."""
        reason = "The customer cancelled the payment"
        return self._attempt(Status.CANCELLED, at=at, method=None, charge=None, reason=reason)

    def expire_link(self, *, at: datetime) -> Self:
        """:raises NotAllowed: if the link is dead already or the money has come."""
        if self.link_expired:
            raise NotAllowed("Payment link already expired")
        if self.status not in UNPAID:
            raise NotAllowed("Payment link is no longer active")
        return replace(self, link_expired=True, updated_at=at)

    def reverse(self, *, at: datetime) -> Self:
        """:raises NotAllowed: unless it is paid."""
        return self._give_back(Status.REVERSED, at=at)

    def refund(self, *, at: datetime) -> Self:
        """:raises NotAllowed: unless it is paid."""
        return self._give_back(Status.REFUNDED, at=at)

    def _give_back(self, status: Status, *, at: datetime) -> Self:
        if self.status is not Status.SUCCESS:
            raise NotAllowed(f"a {self.status} transaction cannot become {status}")
        done = Happening(message=f"The payment was {status}", is_error=False, at=at)
        happenings = (*self.happenings, done)
        return replace(self, status=status, updated_at=at, happenings=happenings)

    def _attempt(
        self,
        status: Status,
        *,
        at: datetime,
        method: str | None,
        charge: Decimal | None,
        reason: str | None,
    ) -> Self:
        if self.status not in UNPAID:
            raise NotAllowed(f"the transaction is {self.status}")
        tried = f"Attempted to make payment with {method}" if method else "Opened the payment page"
        ended = reason or "The payment was completed"
        happenings = (
            *self.happenings,
            Happening(message=tried, is_error=False, at=at),
            Happening(message=ended, is_error=bool(reason), at=at),
        )
        return replace(
            self,
            status=status,
            method=method,
            charge=charge,
            failure_reason=reason,
            attempts=self.attempts + 1,
            reference=self.reference or f"AP{random_text(10)}",
            updated_at=at,
            happenings=happenings,
            arrives_at=None,
            arrives_by=None,
        )
