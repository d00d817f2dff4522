"""Troubles that can be switched on, to see whether Guzo survives them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation

from payments.chapa.sandbox.troubles import REFUND_REFUSALS, REFUSALS, TRICKS, TROUBLES

_ANSWERS = ("ok", *TROUBLES)
#: Where a switch does nothing.
AT_REST = ("ok", "on")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "webhook": (
        "on",
        "off",
        "drop",
        "delay",
        "duplicate",
        "reorder",
        "forge",
        "constant",
        "escaped",
    ),
    "callback": ("on", "off", "drop"),
    "payment": ("ok", "fail_first", "late"),
    "claim": ("ok", "gross", "amount", "currency", "mode", "tx_ref", "empty"),
    "initialize": (*_ANSWERS, *REFUSALS, *TRICKS),
    "verify": (*_ANSWERS, "pending", "404", "unpaid"),
    "cancel": (*_ANSWERS, "race", "lose"),
    "refund": (*_ANSWERS, *REFUND_REFUSALS, "no_ref_id"),
    "verify_refund": (*_ANSWERS, "404"),
    "refund_end": ("refunded", "reversed"),
    "transactions": _ANSWERS,
    "events": _ANSWERS,
    "balances": _ANSWERS,
    "test_refunds": ("on", "off"),
    "effect": ("on", "off"),
}
#: How a single webhook may be wrong.
FORMS = ("forge", "constant", "escaped")
_USUAL = ("500", "html", "429", "timeout")
#: What may go wrong by chance: what Chapa or the way to it does now and then.
BY_CHANCE: Mapping[str, tuple[str, ...]] = {
    "webhook": ("drop", "delay", "duplicate", "reorder", "forge", "constant", "escaped"),
    "callback": ("drop",),
    "payment": ("fail_first", "late"),
    "claim": ("gross", "amount", "currency", "mode"),
    "initialize": (*_USUAL, "lose"),
    "verify": (*_USUAL, "pending", "404", "unpaid"),
    "cancel": (*_USUAL, "lose"),
    "refund": (*_USUAL, "lose", "insufficient", "no_ref_id"),
    "verify_refund": _USUAL,
    "transactions": _USUAL,
    "events": _USUAL,
    "balances": _USUAL,
}
_LONGEST_LATENCY_S = 60.0
_LARGEST_AMOUNT = Decimal(10) ** 12


@dataclass(frozen=True, kw_only=True)
class Faults:
    """
    What is wrong at the moment.

    `payment` is how a payment on the checkout page goes, `claim` what verify, list and webhooks
    say wrongly of it; `amount` is what they claim instead, whatever `claim` says.
    `refund_end` is how refunds end, `test_refunds` whether a test key may have any.
    `effect` says whether a call that is answered with a trouble is carried out all the same.
    """

    webhook: str = "on"
    callback: str = "on"
    payment: str = "ok"
    claim: str = "ok"
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


def checked_changes(changes: Mapping[str, object]) -> dict[str, object]:
    """
    Return the changes with their values as `Faults` has them.

    :raises ValueError: naming the first switch or position that does not exist.
    """
    known = {each.name for each in fields(Faults)}
    for name in changes:
        if name not in known:
            raise ValueError(f"there is no fault called {name}")
    return {name: _checked(name, value) for name, value in changes.items()}


def _checked(name: str, value: object) -> object:
    if name == "latency_s":
        return _checked_latency(value)
    if name == "amount":
        return _checked_amount(value)
    if value not in CHOICES[name]:
        raise ValueError(f"{name} must be one of {', '.join(CHOICES[name])}")
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
