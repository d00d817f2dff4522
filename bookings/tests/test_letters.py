"""Every letter: its words, when it is true, and that it goes once; through a real mail server."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from bookings.models import Booking, Mail
from bookings.tests.cast import START
from bookings.tests.letters import (
    HOUR,
    WAYS,
    cancel,
    delay,
    deliver,
    end,
    expire,
    fail,
    hear,
    held,
    kinds,
    last,
    order_back,
    part,
    pay,
    pay_and_cancel,
    pay_too_little,
    pay_twice,
    said,
    skipped,
)
from bookings.tests.mail_server import Postbox
from events.models import Delivery, Receipt
from events.replay import Selection
from events.tests.cast import run_replay
from payments.services.deciding import accept_payment
from payments.services.seeding import Outcome
from payments.services.status import Refund

pytestmark = pytest.mark.django_db

# By then every way of `WAYS` has been gone.
LATER = START + HOUR


def deliver_again(*, at: datetime) -> None:
    """Let an operator owe every letter once more."""
    ids = tuple(Mail.objects.values_list("event_id", flat=True))
    run_replay(Selection(ids=ids), at=at)
    deliver(at)


class TestEveryLetter:
    def test_goes_once_to_its_traveller_and_its_address_to_no_log(
        self, postbox: Postbox, capfd: pytest.CaptureFixture[str]
    ) -> None:
        evil = "Lodge\r\nBcc: everyone@guzo.et\n<script>"
        stays = [held(listing__name=evil, traveller__first_name="<script>") for _ in WAYS]
        for way, stay in zip(WAYS.values(), stays, strict=True):
            way(stay)
        postbox.to_recipient = "550 nobody@guzo.et is not here, says postmaster@guzo.et"
        deliver(LATER)
        dead = Delivery.objects.filter(group="mail", state="dead")
        assert dead.count() == Mail.objects.filter(state="queued").count() > len(WAYS)
        assert not dead.filter(last_error__contains="@").exists()
        assert "@" not in capfd.readouterr().err

        postbox.to_recipient = "250 OK"
        deliver_again(at=LATER)
        once = kinds(postbox)
        # As after a crash between the sending and the receipt's commit.
        Receipt.objects.filter(handler__contains="mail").delete()
        deliver_again(at=LATER + HOUR)

        assert (kinds(postbox), set(once)) == (once, set(WAYS))
        assert not Delivery.objects.filter(group="mail").exists()
        for letter in postbox.letters:
            (stay,) = (each for each in stays if each.code in str(letter["Subject"]))
            assert (letter["To"], letter["Bcc"]) == (stay.traveller.email, None)
            assert letter["Auto-Submitted"] == "auto-generated"
            (subject,) = letter.get_all("Subject", [])
            assert subject.endswith(f": Lodge Bcc: everyone@guzo.et <script> ({stay.code})")
            assert f"Old town, Lalibela Booking {stay.code} Check-in Wed 31 Mar" in said(letter)
            assert "<script>" not in part(letter, "html")


class TestConfirmation:
    def test_of_money_in_time(self, postbox: Postbox, booking: Booking) -> None:
        pay(booking)
        deliver()

        assert "Your stay is paid and confirmed. Place" in last(postbox)
        assert "Paid 3,700.00 ETB" in last(postbox)

    def test_of_money_that_came_after_the_hold_had_ended(
        self, postbox: Postbox, booking: Booking
    ) -> None:
        expire(booking)
        pay(booking, START + 2 * HOUR)
        deliver(START + 2 * HOUR)

        # What its turn found to be no longer true was not sent.
        assert (kinds(postbox), skipped()) == (["confirmation"], ["expired"])
        assert "Your hold had ended before we knew that it was paid" in last(postbox)

    def test_of_what_a_person_took_for_the_price(self, postbox: Postbox, booking: Booking) -> None:
        payment = pay_too_little(booking)
        deliver()
        accept_payment(payment_id=payment.id, reason="near", person="user:1", at=START)
        deliver()

        assert kinds(postbox) == ["in_review", "confirmation"]
        assert "What arrived is taken for the price of 3,700.00 ETB." in last(postbox)
        assert "Paid 3,699.00 ETB" in last(postbox)


class TestExpiry:
    def test_says_that_no_money_was_taken_and_what_happens_if_it_was(
        self, postbox: Postbox, booking: Booking
    ) -> None:
        expire(booking)
        deliver(START + HOUR)

        assert "the stay could not be confirmed in time" in last(postbox)
        assert "As far as Chapa tells us, no money was taken." in last(postbox)
        assert "if not, all of it goes back to you" in last(postbox)

    def test_says_that_what_arrived_is_with_a_person(
        self, postbox: Postbox, booking: Booking
    ) -> None:
        pay_too_little(booking)
        expire(booking)
        deliver(START + HOUR)

        assert kinds(postbox) == ["in_review", "expired"]
        assert "is still being looked at by a person" in last(postbox)
        assert "no money was taken" not in last(postbox)


class TestCancellation:
    @pytest.mark.parametrize(
        ("terms", "days_before", "told", "back", "kept"),
        [
            ("flexible", 1, "3,700.00 ETB of what you paid goes back to you.", "3,700.00", "0.00"),
            (
                *("moderate", 2),
                "1,850.00 ETB of what you paid goes back to you and 1,850.00 ETB is kept.",
                *("1,850.00", "1,850.00"),
            ),
            ("strict", 5, "nothing of what you paid goes back to you.", "0.00", "3,700.00"),
        ],
    )
    def test_tells_what_goes_back_and_what_is_kept(
        self, postbox: Postbox, terms: str, days_before: int, told: str, back: str, kept: str
    ) -> None:
        booking = held(cancellation=terms)
        pay(booking)
        deliver()
        at = START + timedelta(days=30 - days_before)
        cancel(booking, at)
        deliver(at)

        assert kinds(postbox) == ["confirmation", "cancelled"]
        assert f"By the terms you booked it with ({terms}), {told}" in last(postbox)
        assert f"Refund {back} ETB Kept {kept} ETB" in last(postbox)
        assert ("1 to 3 business days" in last(postbox)) == (back != "0.00")

    def test_of_money_that_another_order_has_tells_what_becomes_of_it(
        self, postbox: Postbox, booking: Booking
    ) -> None:
        order = order_back(pay(booking))
        deliver()
        cancel(booking)
        deliver()
        assert "What you paid for it had been ordered back before" in last(postbox)
        assert "had left us" not in last(postbox)

        fail(order)
        deliver(START + HOUR)
        deliver(START + HOUR)

        assert kinds(postbox) == ["confirmation", "cancelled", "refund_ordered"]
        by_terms = "It is what the terms give back of a stay that you gave up."
        assert f"3,700.00 ETB goes back to you. {by_terms}" in last(postbox)

    def test_of_money_that_is_gone_says_so(self, postbox: Postbox, booking: Booking) -> None:
        end(order_back(pay(booking)))
        cancel(booking)
        deliver()

        letter = said(next(each for each in postbox.letters if "cancelled" in str(each["Subject"])))
        assert "The money for it had left us before, so nothing more goes back." in letter

    def test_of_a_stay_that_nobody_had_paid_for(self, postbox: Postbox, booking: Booking) -> None:
        cancel(booking)
        deliver()

        assert "no money was taken. If any arrives after all, all of it goes back" in last(postbox)
        assert "Refund" not in last(postbox)


class TestReview:
    @pytest.mark.parametrize(
        ("changed", "told"),
        [
            ({"amount": Decimal("3699.00")}, "3,699.00 ETB arrived for this stay, and 3,700.00"),
            ({"currency": "USD"}, "3,700.00 USD arrived for this stay, and 3,700.00 ETB"),
            ({"amount": Decimal("3700.001")}, "3,700.00 ETB arrived for this stay, but not in the"),
        ],
    )
    def test_tells_what_arrived(
        self, postbox: Postbox, booking: Booking, changed: dict[str, Any], told: str
    ) -> None:
        pay(booking, **changed)
        deliver()

        assert kinds(postbox) == ["in_review"]
        assert told in last(postbox)
        assert "Please do not pay for it again." in last(postbox)

    def test_that_a_person_has_ended_is_not_told_any_more(
        self, postbox: Postbox, booking: Booking
    ) -> None:
        order_back(pay_too_little(booking))
        deliver()

        assert (kinds(postbox), skipped()) == (["refund_ordered"], ["in_review"])
        assert "It was not what was asked for, and is not taken for the stay." in last(postbox)


class TestMoneyBack:
    def test_of_a_second_payment_is_ordered_and_gone(
        self, postbox: Postbox, booking: Booking
    ) -> None:
        refund = pay_twice(booking)
        deliver()
        end(refund)
        deliver()

        assert kinds(postbox) == ["confirmation", "refund_ordered", "refunded"]
        surplus = "The stay was paid for already, and this payment came in addition."
        assert surplus in said(postbox.letters[1])
        assert f"3,700.00 ETB has gone back to you. {surplus}" in last(postbox)

    def test_by_the_terms_is_ordered_by_one_letter_and_gone_by_another(
        self, postbox: Postbox, booking: Booking
    ) -> None:
        refund = pay_and_cancel(booking)
        deliver()
        end(refund)
        deliver()

        assert kinds(postbox) == ["cancelled", "refunded"]
        assert "what the terms give back of a stay that you gave up" in last(postbox)
        assert Mail.objects.count() == 3  # with the confirmation, overtaken

    def test_that_failed_takes_longer_and_is_promised_for_no_day(
        self, postbox: Postbox, booking: Booking
    ) -> None:
        refund = pay_twice(booking)
        deliver()
        fail(refund)
        deliver()

        assert kinds(postbox)[1:] == ["refund_ordered", "refund_failed"]
        assert "3,700.00 ETB is to go back to you, and could not be sent" in last(postbox)
        assert "The money is still here, and a person is seeing to it." in last(postbox)
        for word in ("days", "has gone back", "refused"):
            assert word not in last(postbox)

    def test_of_which_chapa_says_nothing_takes_longer_and_is_not_said_to_be_here(
        self, postbox: Postbox, booking: Booking
    ) -> None:
        refund = pay_twice(booking)
        deliver()
        delay(refund)
        deliver()

        assert kinds(postbox)[1:] == ["refund_ordered", "refund_failed"]
        assert "3,700.00 ETB is on its way back to you, and has taken longer" in last(postbox)
        assert "We do not know yet what keeps it, and a person is finding out." in last(postbox)
        assert "still here" not in last(postbox)

    def test_that_a_person_gives_is_told_when_it_has_gone_without_their_words(
        self, postbox: Postbox, booking: Booking
    ) -> None:
        refund = order_back(pay(booking), "500")
        fail(refund)
        deliver()
        assert kinds(postbox) == ["confirmation"]

        end(refund)
        deliver()

        assert kinds(postbox) == ["confirmation", "refunded"]
        assert "500.00 ETB has gone back to you. When you see it" in last(postbox)
        assert "boiler" not in last(postbox)

    def test_of_a_payment_in_review_is_ordered_and_gone(
        self, postbox: Postbox, booking: Booking
    ) -> None:
        payment = pay_too_little(booking)
        deliver()
        refund = order_back(payment)
        deliver()
        end(refund)
        deliver()

        assert kinds(postbox) == ["in_review", "refund_ordered", "refunded"]

    def test_that_was_sent_at_chapas_dashboard_is_told_once(
        self, postbox: Postbox, booking: Booking
    ) -> None:
        payment = pay(booking)
        deliver()
        hear(payment, Outcome.REFUNDED)
        deliver()

        assert Refund.objects.get().source == "external"
        assert kinds(postbox) == ["confirmation", "refunded"]
        assert "3,700.00 ETB has gone back to you." in last(postbox)


class TestReversal:
    def test_of_what_pays_for_a_stay(self, postbox: Postbox, booking: Booking) -> None:
        payment = pay(booking)
        deliver()
        hear(payment, Outcome.REVERSED)
        deliver()

        assert kinds(postbox) == ["confirmation", "reversed"]
        assert "3,700.00 ETB that had arrived for this stay was taken back" in last(postbox)
        assert "your stay is not paid any more. It is not cancelled by that" in last(postbox)
