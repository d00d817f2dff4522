"""One history's world: its dice, its clock, its people and places, and the local Chapa."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from django.core import mail

from bookings.models import Booking, Cancellation, Listing
from core.errors import Refusal
from core.models import User
from payments.chapa.sandbox.server import RunningSandbox
from payments.chapa.sandbox.transactions import Transaction
from payments.models import Payment

BEGINNING = datetime(2027, 3, 1, 6, 0, tzinfo=UTC)

T = TypeVar("T")


class NothingToDo(Refusal):
    """There is nothing for this step to work on."""

    code = "nothing_to_do"
    status = 404


@dataclass
class HandClock:
    """Stands still until it is put forward."""

    now: datetime = BEGINNING

    def __call__(self) -> datetime:
        return self.now

    def forward(self, by: timedelta) -> None:
        self.now += by


@dataclass
class World:
    """
    What the steps of a history work on.

    All chance comes from `dice`, and what it chooses from stands in the order it was made in, so
    a seed gives the same history however ids fall out.
    """

    seed: int
    clock: HandClock
    chapa: RunningSandbox
    dice: random.Random
    travellers: list[User] = field(default_factory=list)
    listings: list[Listing] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    #: Payments that the traveller's bank or Chapa charges otherwise than asked, by tx_ref.
    claims: dict[str, str] = field(default_factory=dict)

    def tell(self, what: str) -> None:
        self.told.append(f"{self.clock.now:%d %H:%M:%S} {what}")

    def one_of(self, found: list[T]) -> T:
        """:raises NothingToDo: if nothing was found."""
        if not found:
            raise NothingToDo
        return self.dice.choice(found)

    def bookings(self, *statuses: str) -> list[Booking]:
        found = Booking.objects.filter(status__in=statuses) if statuses else Booking.objects.all()
        return list(found.select_related("listing", "traveller").order_by("created_at", "id"))

    def payments(self, *statuses: str) -> list[Payment]:
        found = Payment.objects.filter(status__in=statuses) if statuses else Payment.objects.all()
        return list(found.order_by("created_at", "id"))

    def transactions(self) -> list[Transaction]:
        return sorted(self.chapa.store.transactions(), key=lambda each: each.created_at)


def new_world(seed: int, clock: HandClock, chapa: RunningSandbox) -> World:
    """Begin a history: nobody has booked or was written to, and Chapa knows nothing."""
    clock.now = BEGINNING
    chapa.reset()
    mail.outbox.clear()
    world = World(seed, clock, chapa, random.Random(seed))  # noqa: S311  (repeatable, not secret)
    host = _person(world, "host")
    world.travellers = [_person(world, f"traveller{number}") for number in range(2)]
    terms = [Cancellation.FLEXIBLE, Cancellation.STRICT]
    world.listings = [_place(world, host, number, terms[number]) for number in range(2)]
    return world


def new_seeded_id(dice: random.Random) -> UUID:
    """Return an id drawn from the dice: a payment's id decides when exactly it is looked at."""
    return UUID(int=dice.getrandbits(128), version=4)


def _person(world: World, name: str) -> User:
    return User.objects.create(
        email=f"{name}@guzo.et", first_name="Selam", last_name="Tesfaye", phone_number="0911223344"
    )


def _place(world: World, host: User, number: int, terms: str) -> Listing:
    return Listing.objects.create(
        slug=f"place-{number}",
        name=f"Place {number}",
        kind=Listing.Kind.GUESTHOUSE,
        city="Lalibela",
        region="Amhara",
        area="Old town",
        description="A room above the courtyard.",
        host=host,
        sleeps=3,
        nightly_price=Decimal("1850.00"),
        amenities=[],
        cancellation=terms,
        created_at=world.clock.now,
    )
