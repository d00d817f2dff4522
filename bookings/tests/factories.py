# mypy: disable-error-code="no-untyped-call"
# factory_boy says that it is typed, and is so in parts.
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from factory.declarations import LazyAttribute, LazyFunction, Sequence, SubFactory
from factory.django import DjangoModelFactory

from bookings.models import Booking, Cancellation, Listing
from core.tests.factories import UserFactory


class ListingFactory(DjangoModelFactory[Listing]):
    class Meta:
        model = Listing

    slug = Sequence(lambda n: f"place-{n}")
    name = Sequence(lambda n: f"Place {n}")
    kind = Listing.Kind.GUESTHOUSE
    city = "Lalibela"
    region = "Amhara"
    area = "Old town"
    description = "A room above the courtyard."
    host = SubFactory(UserFactory)
    sleeps = 3
    nightly_price = Decimal("1850.00")
    amenities = LazyFunction(lambda: ["Wi-Fi"])
    cancellation = Cancellation.MODERATE
    created_at = datetime(2026, 1, 1, tzinfo=UTC)


class BookingFactory(DjangoModelFactory[Booking]):
    """A held booking a month ahead; its hold lasts half an hour from now."""

    class Meta:
        model = Booking

    listing = SubFactory(ListingFactory)
    traveller = SubFactory(UserFactory)
    created_at = LazyFunction(lambda: datetime.now(UTC))
    check_in = LazyAttribute(lambda b: (b.created_at + timedelta(days=30)).date())
    check_out = LazyAttribute(lambda b: b.check_in + timedelta(days=2))
    guests = 2
    total_amount = Decimal("3700.00")
    currency = "ETB"
    cancellation = Cancellation.MODERATE
    hold_expires_at = LazyAttribute(lambda b: b.created_at + timedelta(minutes=30))
