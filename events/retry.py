"""When a failed delivery is tried again, and when it is given up. Pure, but for the dice."""

import random
from datetime import timedelta

MAX_ATTEMPTS = 8
BASE = timedelta(seconds=1)
CAP = timedelta(minutes=15)


def backoff(attempts: int) -> timedelta:
    """
    Return how long to wait after this many attempts: jitter below 1 s doubling, at most 15 min.

    Eight attempts last a few minutes at most; an outage of Chapa's is bridged by the payment's own
    schedule, not by these.
    """
    # Ten doublings are beyond the cap; more of them would overflow.
    return random.uniform(0.2, 1.0) * min(CAP, BASE * 2.0 ** min(attempts - 1, 10))  # noqa: S311


def patience(age: timedelta) -> timedelta:
    """Return the pause before asking again someone who was away for this long: 5 s to 15 min."""
    return min(CAP, max(timedelta(seconds=5), age / 4))


def is_exhausted(attempts: int) -> bool:
    return attempts >= MAX_ATTEMPTS
