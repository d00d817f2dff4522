"""What a webhook claims; used to find the payment, never to judge it. Pure."""

import json
from dataclasses import dataclass
from typing import Any

from core.strict_json import refuse_constant, refuse_duplicates
from payments import states

# A real one nests 2 levels, and `meta` is whatever we sent.
DEEPEST = 20
_ABOUT_THE_CHARGE = ("charge.success", "charge.failed", "charge.cancelled")


@dataclass(frozen=True)
class Claim:
    """What of a body may be kept beside it; printable text, cut to 80 characters."""

    event: str = ""
    tx_ref: str = ""
    status: str = ""
    mode: str = ""

    @property
    def charge_status(self) -> str:
        """The status, if it is the charge's; the success of a refund is news whatever it says."""
        is_the_charges = not self.event or self.event.startswith(_ABOUT_THE_CHARGE)
        return self.status if is_the_charges else ""


def read_claim(body: bytes) -> Claim | None:
    """
    Return what a body claims, flat or nested under `data`; None if it is not a JSON object.

    Duplicate keys, NaN, deep nesting and bytes that are not plain UTF-8 make it none either.
    """
    try:
        data = json.loads(
            body.decode(), parse_constant=refuse_constant, object_pairs_hook=refuse_duplicates
        )
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or not _is_shallow(data, DEEPEST):
        return None
    nested = data.get("data")
    claimed = nested | data if isinstance(nested, dict) else data
    return Claim(
        event=_text(claimed.get("event")),
        tx_ref=_text(claimed.get("tx_ref")),
        status=_text(claimed.get("status")),
        mode=_text(claimed.get("mode")),
    )


def statuses_that_know(charge_status: str) -> frozenset[str]:
    """Return the states of a payment that have nothing left to learn from a claim."""
    match charge_status:
        case "success":
            return states.CAPTURED
        case "failed" | "cancelled" | "failed/cancelled":
            return states.CAPTURED | {states.FAILED, states.CANCELLED}
        case _:
            return frozenset()


def _text(value: object) -> str:
    """JSON can hold NUL and lone surrogates, which PostgreSQL cannot; neither is printable."""
    return "".join(filter(str.isprintable, value[:80])) if isinstance(value, str) else ""


def _is_shallow(value: dict[str, Any], levels: int) -> bool:
    """Look at a level at a time: to look at each value by itself would be a call each."""
    containers: list[Any] = [value]
    for _ in range(levels):
        containers = [
            inner
            for outer in containers
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not containers:
            return True
    return False
