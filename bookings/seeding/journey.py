"""One made-up stay, told through the services that real ones go through."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from bookings.models import Booking
from bookings.services.ending import cancel_booking, expire_hold
from bookings.services.holding import Stay, hold_booking
from bookings.services.paying import apply_payment
from core.models import User
from payments.services import checkout, closing, seeding, status
from payments.services.seeding import Outcome


@dataclass
class Journey:
    """
    A booking and the moment its story has reached: each step happens then.

    All of it must run inside a transaction, where the gateway refuses to speak to Chapa.
    """

    stay: Stay
    booking: Booking
    # Who else may want the same dates.
    rival: User
    at: datetime

    @classmethod
    def begin(cls, stay: Stay, traveller: User, rival: User, at: datetime) -> "Journey":
        """:raises DatesUnavailable: if a night of it is taken."""
        booking = hold_booking(stay=stay, traveller=traveller, request_key=None, at=at)
        return cls(stay=stay, booking=booking, rival=rival, at=at)

    def wait(self, span: timedelta) -> None:
        self.at += span

    def open_payment(self) -> UUID:
        """Start a payment; no checkout page is opened at Chapa."""
        self.wait(timedelta(minutes=2))
        opened = checkout.open_payment(
            reference=self.booking.id,
            earlier=checkout.lock_payments(self.booking.id),
            payer=self.booking.traveller,
            owed=self.booking.total,
            title=f"{self.booking.listing.name} {self.booking.code}",
            expires_at=self.booking.hold_expires_at,
            at=self.at,
        )
        return opened.payment.id

    def hear(self, payment_id: UUID, outcome: Outcome, amount: Decimal | None = None) -> None:
        """Let Chapa say this three minutes later; money that came as owed is applied."""
        self.wait(timedelta(minutes=3))
        seeding.write_made_up_answer(
            payment_id=payment_id, outcome=outcome, amount=amount, at=self.at
        )
        if outcome is Outcome.PAID:
            apply_payment(booking_id=self.booking.id, payment_id=payment_id, at=self.at)

    def pay(self) -> UUID:
        payment_id = self.open_payment()
        self.hear(payment_id, Outcome.PAID)
        return payment_id

    def expire(self) -> None:
        """Let the hold run out; what is still open ends with it, as Chapa cannot be asked."""
        self.at = max(self.at, self.booking.hold_expires_at) + timedelta(minutes=1)
        for payment in status.all_for(self.booking.id):
            closing.expire_payment(payment_id=payment.id, at=self.at)
        expire_hold(booking_id=self.booking.id, at=self.at)

    def cancel(self) -> None:
        cancel_booking(booking_id=self.booking.id, traveller=self.booking.traveller, at=self.at)

    def lose_dates(self) -> None:
        """Let the rival book and pay the same dates."""
        rival = Journey.begin(self.stay, self.rival, self.rival, self.at)
        rival.pay()
        self.at = rival.at
