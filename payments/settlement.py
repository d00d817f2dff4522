"""What Chapa's answer means for what is owed. Pure: no clock, no database, no network."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from core.money import CENTS, Money
from payments.chapa.wire import Outcome, Verification


@dataclass(frozen=True)
class Owed:
    """What a payment must be answered with: all four."""

    money: Money
    tx_ref: str
    mode: str


@dataclass(frozen=True)
class Paid:
    """Exactly what is owed has arrived."""


@dataclass(frozen=True)
class Mismatched:
    """Money arrived, but another amount or currency."""

    arrived: Money
    reason: str


@dataclass(frozen=True)
class SentBack:
    """What was here is not any more, as owed or not: refunded, or reversed."""

    arrived: Money
    reversed: bool


@dataclass(frozen=True)
class Declined:
    """Chapa says no; it may still change its mind while its link lives."""

    reason: str


@dataclass(frozen=True)
class Waiting:
    """Chapa knows nothing that settles it, and silence is not a no."""


@dataclass(frozen=True)
class NoAnswer:
    """
    Chapa did not answer the question; ask again.

    `is_there`: it spoke of this very payment, in words that nobody here knows.
    """

    misconfigured: bool = False
    is_there: bool = False


@dataclass(frozen=True)
class NotOurs:
    """The answer is about another payment, or from the other mode: an alarm, and no change."""

    reason: str


Verdict = Paid | Mismatched | SentBack | Declined | Waiting | NoAnswer | NotOurs

_MONEY = {Outcome.PAID, Outcome.REFUNDED, Outcome.REVERSED}


def judge(*, owed: Owed, seen: Verification) -> Verdict:
    """Decide what Chapa's answer means for one payment."""
    match seen.outcome:
        case Outcome.PENDING | Outcome.NOT_FOUND:
            return Waiting()
        case Outcome.TRANSIENT:
            return NoAnswer()
        case Outcome.UNRECOGNISED:
            return NoAnswer(is_there=seen.tx_ref == owed.tx_ref)
        case Outcome.CONFIG_ERROR:
            return NoAnswer(misconfigured=True)
    if seen.tx_ref != owed.tx_ref:
        return NotOurs("another tx_ref")
    if seen.mode != owed.mode:
        return NotOurs("another mode")
    if seen.outcome not in _MONEY:
        return Declined(seen.outcome.value)
    return _judge_money(owed.money, seen)


@dataclass(frozen=True)
class Known:
    """What Chapa said before of a payment whose money arrived, and whether that it went back."""

    captured: Money
    is_gone: bool


def contradicts(verdict: Verdict, *, owed: Money, known: Known) -> bool:
    """Whether this cannot be true beside what Chapa said before of money that arrived."""
    match verdict:
        case Paid():
            return known.is_gone or owed != known.captured
        case Mismatched(arrived):
            return known.is_gone or arrived != known.captured
        case SentBack(arrived):
            return arrived != known.captured
        case Declined():
            return True
    return False


def _judge_money(owed: Money, seen: Verification) -> Verdict:
    if seen.amount is None or seen.amount <= 0 or not seen.currency:
        return NoAnswer(is_there=True)
    arrived = Money(_whole_cents(seen.amount), seen.currency)
    if seen.outcome is not Outcome.PAID:
        return SentBack(arrived, reversed=seen.outcome is Outcome.REVERSED)
    if seen.amount != arrived.amount:
        return Mismatched(arrived, "more than two decimals")
    if seen.currency != owed.currency:
        return Mismatched(arrived, "another currency")
    if arrived.amount != owed.amount:
        return Mismatched(arrived, "another amount")
    return Paid()


def _whole_cents(amount: Decimal) -> Decimal:
    """What the ledger can hold of it; that something was cut off is the mismatch."""
    return max(amount.quantize(CENTS, ROUND_DOWN), CENTS)
