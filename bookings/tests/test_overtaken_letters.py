"""Letters that something overtook, or that more than one story asks for."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from bookings.models import Booking
from bookings.tests.cast import START
from bookings.tests.letters import (
    HOUR,
    WAYS,
    cancel,
    deliver,
    end,
    expire,
    fail,
    hear,
    held,
    kinds,
    last,
    order_back,
    pay,
    pay_and_cancel,
    pay_too_little,
    pay_twice,
    said,
    skipped,
)
from bookings.tests.mail_server import Postbox
from core.models import User
from payments.services.seeding import Outcome
from payments.services.status import Refund

pytestmark = [pytest.mark.crash, pytest.mark.django_db]

# By then every way of `WAYS` has been gone.
LATER = START + HOUR


class TestEveryLetter:
    def test_is_not_written_to_an_erased_traveller(self, postbox: Postbox) -> None:
        for way in WAYS.values():
            way(held())
        User.objects.update(erased_at=timezone.now())

        deliver(LATER)

        assert postbox.letters == []
        assert set(skipped()) == set(WAYS)


class TestConfirmation:
    @pytest.mark.parametrize("outcome", [Outcome.REVERSED, Outcome.REFUNDED])
    def test_is_not_true_when_its_money_is_gone(
        self, postbox: Postbox, booking: Booking, outcome: Outcome
    ) -> None:
        hear(pay(booking), outcome)
        deliver()

        assert (kinds(postbox), skipped()) == ([outcome.value], ["confirmation"])


class TestCancellation:
    def test_counts_what_went_back_before(self, postbox: Postbox, booking: Booking) -> None:
        end(order_back(pay(booking), "500"))
        cancel(booking, START + timedelta(days=28))
        deliver(START + timedelta(days=28))

        assert "Refund 1,850.00 ETB Kept 1,350.00 ETB" in last(postbox)

    def test_of_money_that_was_gone_before(self, postbox: Postbox, booking: Booking) -> None:
        hear(pay(booking), Outcome.REVERSED)
        cancel(booking)
        deliver()

        assert "The money for it had left us before, so nothing more goes back." in last(postbox)

    def test_written_by_a_version_before_tells_what_it_knows(
        self, postbox: Postbox, booking: Booking
    ) -> None:
        pay_and_cancel(booking)
        with connection.cursor() as cursor:
            cursor.execute("set local session_replication_role = replica")
            cursor.execute("update events_event set data = data - 'kept'")
            cursor.execute("set local session_replication_role = origin")

        deliver()

        assert "3,700.00 ETB of what you paid goes back to you. We have" in last(postbox)
        assert "Kept" not in last(postbox)

    def test_names_no_time_for_a_refund_that_was_refused_already(
        self, postbox: Postbox, booking: Booking
    ) -> None:
        fail(pay_and_cancel(booking))
        deliver()

        assert kinds(postbox) == ["cancelled", "refund_failed"]
        assert "business days" not in said(postbox.letters[0])

    def test_of_a_stay_whose_money_is_with_a_person(
        self, postbox: Postbox, booking: Booking
    ) -> None:
        pay_too_little(booking)
        cancel(booking)
        deliver()

        assert "You had given the stay up." in said(postbox.letters[0])
        assert "is still being looked at by a person" in last(postbox)


class TestReview:
    def test_of_a_second_payment_does_not_question_the_stay(
        self, postbox: Postbox, booking: Booking
    ) -> None:
        pay(booking)
        pay_too_little(booking)
        deliver()

        assert kinds(postbox) == ["confirmation", "in_review"]
        assert "Your stay is confirmed as before." in last(postbox)


class TestMoneyBack:
    @pytest.mark.parametrize(
        ("meanwhile", "told"),
        [
            (
                "taken",
                "3,700.00 ETB goes back to you. Your hold had ended before it could be taken"
                " for the stay, and others have the dates.",
            ),
            ("withdrawn", "and the place is not offered any more."),
            ("over", "and the day of your check-in was over."),
            ("cancelled", "It arrived for a stay that you had given up."),
        ],
    )
    def test_of_a_stay_that_cannot_be_had_says_why(
        self, postbox: Postbox, booking: Booking, meanwhile: str, told: str
    ) -> None:
        at = START + 2 * HOUR
        (cancel if meanwhile == "cancelled" else expire)(booking)
        deliver(START + HOUR)
        match meanwhile:
            case "taken":
                held(listing=booking.listing)
            case "withdrawn":
                booking.listing.is_listed = False
                booking.listing.save()
            case "over":
                at = START + timedelta(days=32)
        pay(booking, at)
        deliver(at)

        assert kinds(postbox)[1:] == ["refund_ordered"]
        assert told in last(postbox)
        assert "Chapa, which takes 1 to 3 business days." in last(postbox)
        assert "Refund 3,700.00 ETB" in last(postbox)

    def test_that_is_on_its_way_no_more_is_not_told_to_be(
        self, postbox: Postbox, booking: Booking
    ) -> None:
        end(pay_twice(booking))
        deliver()

        assert (kinds(postbox), skipped()) == (["confirmation", "refunded"], ["refund_ordered"])

    def test_that_failed_and_was_tried_again_is_told_once_until_it_has_gone(
        self, postbox: Postbox, booking: Booking
    ) -> None:
        fail(pay_twice(booking))
        deliver()
        payment = Refund.objects.get().payment
        fail(order_back(payment))
        end(order_back(payment))
        deliver()

        assert kinds(postbox) == ["confirmation", "refund_failed", "refunded"]
        assert "surplus" not in last(postbox)

    def test_that_failed_but_went_another_way_is_told_to_have_gone(
        self, postbox: Postbox, booking: Booking
    ) -> None:
        refund = pay_twice(booking)
        fail(refund)
        end(refund)
        deliver()

        assert kinds(postbox) == ["confirmation", "refunded"]
        assert skipped() == ["refund_ordered", "refund_failed"]

    def test_that_chapa_tells_of_the_payment_before_its_order_is_told_once(
        self, postbox: Postbox, booking: Booking
    ) -> None:
        payment = pay(booking)
        order_back(payment, "3700")
        Refund.objects.update(state="submitted", submitted_at=timezone.now())
        hear(payment, Outcome.REFUNDED)
        deliver()

        assert kinds(postbox) == ["refunded"]
        assert "Refund 3,700.00 ETB" in last(postbox)

    def test_that_was_made_elsewhere_beside_an_order_is_not_told_until_a_person_knows(
        self, postbox: Postbox, booking: Booking
    ) -> None:
        payment = pay(booking)
        end(order_back(payment, "700"))
        deliver()
        hear(payment, Outcome.REFUNDED)
        external = Refund.objects.get(source="external")
        end(external, sent=False)
        deliver()

        assert kinds(postbox) == ["confirmation", "refunded"]


class TestReversal:
    def test_of_what_was_on_its_way_back(self, postbox: Postbox, booking: Booking) -> None:
        refund = pay_twice(booking)
        deliver()
        hear(refund.payment, Outcome.REVERSED)
        deliver()

        assert kinds(postbox) == ["confirmation", "refund_ordered", "reversed"]
        assert "Of this payment nothing more can go back to you." in last(postbox)
