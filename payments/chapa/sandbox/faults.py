"""Troubles that can be switched on, to see whether Guzo survives them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal, InvalidOperation
from threading import Lock

from payments.chapa.sandbox.troubles import REFUND_REFUSALS, REFUSALS, TRICKS, TROUBLES

_ANSWERS = ("ok", *TROUBLES)
_CHOICES = {
    "webhook": ("on", "off"),
    "callback": ("on", "off"),
    "effect": ("on", "off"),
    "initialize": (*_ANSWERS, *REFUSALS, *TRICKS),
    "verify": (*_ANSWERS, "pending", "404", "unpaid"),
    "cancel": (*_ANSWERS, "race"),
    "refund": (*_ANSWERS, *REFUND_REFUSALS, "no_ref_id"),
    "verify_refund": (*_ANSWERS, "404"),
    "transactions": _ANSWERS,
    "events": _ANSWERS,
    "balances": _ANSWERS,
    "refund_end": ("refunded", "reversed"),
    "test_refunds": ("on", "off"),
}
_LONGEST_LATENCY_S = 60.0
_LARGEST_AMOUNT = Decimal(10) ** 12


@dataclass(frozen=True, kw_only=True)
class Faults:
    """
    What is wrong at the moment.

    `refund_end` is how refunds end, `test_refunds` whether a test key may have any.
    `effect` says whether a call that is answered with a trouble is carried out all the same.
    `amount` is what verify and webhooks claim instead.
    """

    webhook: str = "on"
    callback: str = "on"
    initialize: str = "ok"
    verify: str = "ok"
    cancel: str = "ok"
    refund: str = "ok"
    verify_refund: str = "ok"
    transactions: str = "ok"
    events: str = "ok"
    balances: str = "ok"
    refund_end: str = "refunded"
    test_refunds: str = "off"
    effect: str = "off"
    latency_s: float = 0.0
    amount: Decimal | None = None


class FaultSwitches:
    """The switches and the position each starts in. Safe for many threads."""

    def __init__(self, start: Faults) -> None:
        self._lock = Lock()
        self._start = start
        self._now = start

    @property
    def now(self) -> Faults:
        return self._now

    def set(self, changes: Mapping[str, object]) -> Faults:
        """
        Turn some switches, leaving the others; return all positions.

        :raises ValueError: naming the first switch or position that does not exist; then
            nothing is turned.
        """
        known = {each.name for each in fields(Faults)}
        for name in changes:
            if name not in known:
                raise ValueError(f"there is no fault called {name}")
        checked = {name: _checked(name, value) for name, value in changes.items()}
        with self._lock:
            # Names and values were checked one by one, which mypy cannot see.
            self._now = replace(self._now, **checked)  # type: ignore[arg-type]
            return self._now

    def clear(self) -> None:
        """Put every switch back to where it started."""
        with self._lock:
            self._now = self._start


def _checked(name: str, value: object) -> object:
    if name == "latency_s":
        return _checked_latency(value)
    if name == "amount":
        return _checked_amount(value)
    if value not in _CHOICES[name]:
        raise ValueError(f"{name} must be one of {', '.join(_CHOICES[name])}")
    return value


def _checked_latency(value: object) -> float:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if not numeric or not 0 <= float(str(value)) <= _LONGEST_LATENCY_S:
        raise ValueError(f"latency_s must be a number from 0 to {_LONGEST_LATENCY_S:.0f}")
    return float(str(value))


def _checked_amount(value: object) -> Decimal | None:
    if value is None:
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or abs(amount) > _LARGEST_AMOUNT:
        raise ValueError("amount must be a number, as text, or null")
    return amount
