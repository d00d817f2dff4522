from datetime import timedelta

import pytest

from events.retry import BASE, CAP, MAX_ATTEMPTS, backoff, is_exhausted


@pytest.mark.parametrize("attempts", range(1, 16))
def test_the_wait_doubles_with_every_attempt_up_to_the_cap(attempts: int) -> None:
    longest = min(CAP, BASE * 2 ** (attempts - 1))

    waits = [backoff(attempts) for _ in range(200)]

    assert max(waits) <= longest
    assert min(waits) >= 0.2 * longest


def test_waits_are_spread_so_that_failures_do_not_march_in_step() -> None:
    waits = [backoff(5) for _ in range(200)]

    assert max(waits) - min(waits) > timedelta(seconds=6)


def test_even_an_absurd_number_of_attempts_has_a_wait() -> None:
    assert backoff(500) <= CAP


def test_the_last_attempt_exhausts() -> None:
    assert not is_exhausted(MAX_ATTEMPTS - 1)
    assert is_exhausted(MAX_ATTEMPTS)
