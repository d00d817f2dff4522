import pytest

from bookings.models import Booking
from bookings.tests.letters import held


@pytest.fixture
def booking(db: None) -> Booking:
    """A stay that is held since `START`, and not paid for."""
    return held()
