"""Where a payment may go from where. Pure."""

from typing import Final

PENDING: Final = "pending"
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"
EXPIRED: Final = "expired"
IN_REVIEW: Final = "in_review"
PARTIALLY_REFUNDED: Final = "partially_refunded"
REFUNDED: Final = "refunded"
REVERSED: Final = "reversed"

TRANSITIONS: Final[dict[str, frozenset[str]]] = {
    PENDING: frozenset({SUCCEEDED, FAILED, CANCELLED, EXPIRED, IN_REVIEW}),
    # Money that came after all.
    FAILED: frozenset({SUCCEEDED, IN_REVIEW}),
    CANCELLED: frozenset({SUCCEEDED, IN_REVIEW}),
    EXPIRED: frozenset({SUCCEEDED, IN_REVIEW}),
    # A person accepts, or sends it back.
    IN_REVIEW: frozenset({SUCCEEDED, REFUNDED}),
    SUCCEEDED: frozenset({PARTIALLY_REFUNDED, REFUNDED, REVERSED}),
    PARTIALLY_REFUNDED: frozenset({REFUNDED, REVERSED}),
    REFUNDED: frozenset(),
    REVERSED: frozenset(),
}

#: While one of these is there, no other payment is opened for its reference.
OPEN: Final = frozenset({PENDING, IN_REVIEW})
#: Money is here, or was: asking again can only find that it went back.
CAPTURED: Final = frozenset({SUCCEEDED, IN_REVIEW, PARTIALLY_REFUNDED, REFUNDED, REVERSED})


#: An order to send money back. `unknown` comes before the call: it may have happened from then on.
REFUND_TRANSITIONS: Final[dict[str, frozenset[str]]] = {
    "requested": frozenset({"unknown", "failed", "succeeded"}),
    # Requested again only if the call certainly never reached Chapa.
    "unknown": frozenset({"requested", "submitted", "succeeded", "failed"}),
    # Unknown again if Chapa does not say how it ended, or tells of other money.
    "submitted": frozenset({"unknown", "succeeded", "failed"}),
    "succeeded": frozenset(),
    # A person sent it another way; or said that it was not sent, and Chapa has it.
    "failed": frozenset({"succeeded", "unknown"}),
}


def may_move(source: str, target: str) -> bool:
    return target in TRANSITIONS[source]


def sources_of(target: str) -> list[str]:
    """Return the states that may lead to this one: what a compare-and-set compares with."""
    return sorted(source for source, targets in TRANSITIONS.items() if target in targets)
