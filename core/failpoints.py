"""Named places at which a test may stop a process, or a part of one, exactly there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

# Every place there is: events/tests/test_failpoints.py and bookings/tests/test_crash.py die at all.
Failpoint = Literal[
    "record.started",
    "record.written",
    "record_all.started",
    "record_all.written",
    "wake.started",
    "wake.sent",
    "drain.lane_taken",
    "drain.blocked_parked",
    "drain.receipts_taken",
    "drain.handled",
    "drain.failure_written",
    "drain.receipts_dropped",
    "drain.paid",
    "drain.committed",
    "alone.debts_claimed",
    "alone.attempt_counted",
    "alone.attempt_committed",
    "alone.given_up",
    "alone.settled",
    "alone.committed",
    "alone.failure_written",
    "alone.lane_released",
    "outbound.claimed",
    "outbound.asked",
    "outbound.receipt_taken",
    "outbound.written",
    "outbound.committed",
    "outbound.failure_written",
    "outbound.taken_back",
    "outbound.take_back_committed",
    "replay.items_chosen",
    "replay.item_settled",
    "replay.settled",
    "replay.committed",
    "payment.asked",
    "refund.marked",
    "refund.asked",
    "refund.looked",
    "mail.sending",
    "mail.accepted",
    "mail.recorded",
]

Listener = Callable[[Failpoint], None]

# Set by code alone: no setting and no environment can make a deployment stop.
_listener: Listener | None = None


def failpoint(name: Failpoint) -> None:
    """Tell the listener that this place is reached; without one, do nothing."""
    if _listener is not None:
        _listener(name)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let one listener hear every failpoint of this process, in all of its threads."""
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before
