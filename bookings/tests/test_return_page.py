"""Where travellers come back to from Chapa's page."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from bookings.models import Booking
from bookings.tests.cast import RunningSandbox, at_chapa, payment_for, settle, start
from bookings.tests.factories import BookingFactory
from core.ids import digest
from payments.services.hints import HINT_SPACING
from payments.services.status import Payment

KEY = "a-key-of-twenty-two-cha"


def returned(booking: Booking, **values: Any) -> Payment:
    return payment_for(booking, return_key_digest=digest(KEY), **values)


def declined(chapa: RunningSandbox) -> tuple[Booking, Payment, str]:
    """Return a booking, its first payment that failed, and the key of the page it leads back to."""
    booking = BookingFactory.create()
    first = start(booking, timezone.now())
    chapa.faults.set({"webhook": "off", "callback": "off"})
    key = (at_chapa(chapa, first).return_url or "").rsplit("/", 1)[1]
    chapa.chapa.decline(at_chapa(chapa, first))
    settle(first, timezone.now())
    return booking, first, key


def page(key: str = KEY) -> Any:
    return Client().get(f"/return/{key}")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("booking_is", "payment_is", "heading", "looks_again", "may_retry"),
    [
        ("held", "pending", "We are checking your payment", True, False),
        ("held", "succeeded", "We are checking your payment", True, False),
        ("held", "partially_refunded", "We are checking your payment", True, False),
        ("confirmed", "succeeded", "Your stay is confirmed", False, False),
        ("held", "failed", "The payment did not go through", True, True),
        ("held", "cancelled", "The payment did not go through", True, True),
        ("held", "in_review", "Your payment is being looked at", False, False),
        ("expired", "expired", "This booking is expired", False, False),
        ("expired", "failed", "This booking is expired", False, False),
        ("cancelled", "cancelled", "This booking is cancelled", False, False),
        ("expired", "succeeded", "Your payment arrived", False, False),
        ("cancelled", "refunded", "Your money went back", False, False),
        ("cancelled", "reversed", "Your money went back", False, False),
    ],
)
def test_the_page_tells_how_things_stand(
    booking_is: str, payment_is: str, heading: str, looks_again: bool, may_retry: bool
) -> None:
    booking = BookingFactory.create()
    payment = returned(booking, status=payment_is, asked_at=timezone.now())
    Booking.objects.update(status=booking_is, paid_by=payment.id)

    answer = page()

    text = answer.content.decode()
    assert answer.status_code == 200
    assert f"<h1>{heading}" in text
    assert booking.code in text
    assert "3,700.00 ETB" in text
    assert ('http-equiv="refresh"' in text) == looks_again
    assert ("Pay again" in text) == may_retry


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("came_back_ago", "heading", "seconds"),
    [(100, "We are checking", 3), (120, "We are still checking", 15), (-60, "We are checking", 3)],
)
def test_who_has_waited_for_long_is_told_what_comes_next(
    came_back_ago: int, heading: str, seconds: int
) -> None:
    returned(BookingFactory.create())
    since = int(timezone.now().timestamp()) - came_back_ago

    text = Client().get(f"/return/{KEY}", {"since": since}).content.decode()

    assert f"<h1>{heading} your payment" in text
    assert ("You can close this page" in text) == (seconds == 15)
    assert "Pay again" not in text
    again = re.search(r'http-equiv="refresh" content="(\d+); url=\?since=(\d+)"', text)
    assert again is not None
    assert int(again[1]) == seconds
    assert int(again[2]) == pytest.approx(since if came_back_ago > 0 else since - 60, abs=2)


@pytest.mark.django_db
@pytest.mark.parametrize("since", ["", "soon", "-1", "1.5", "9" * 5000, "٣", "1;url=//evil.et"])
def test_a_made_up_beginning_is_now(since: str) -> None:
    returned(BookingFactory.create())

    text = Client().get(f"/return/{KEY}", {"since": since}).content.decode()

    assert "<h1>We are checking your payment" in text
    assert "evil" not in text


@pytest.mark.django_db
def test_nobody_may_keep_the_page_or_learn_its_address_from_it() -> None:
    booking = BookingFactory.create()
    payment = returned(booking, status="failed")

    for answer in (page(), page("unknown")):
        assert answer["Cache-Control"] == "no-store"
        assert answer["Referrer-Policy"] == "same-origin"
    text = page().content.decode()
    for private in (
        payment.tx_ref,
        payment.checkout_url,
        booking.traveller.email,
        booking.traveller.first_name,
        str(payment.id),
        KEY,
    ):
        assert private not in text


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["unknown", digest(KEY), "%00", "x" * 2000])
def test_an_unknown_key_is_not_found(key: str) -> None:
    returned(BookingFactory.create())

    answer = page(key)

    assert answer.status_code == 404
    assert "This page does not exist" in answer.content.decode()


@pytest.mark.django_db
def test_nobody_is_asked_to_pay_again_while_there_may_be_news() -> None:
    now = timezone.now()
    returned(BookingFactory.create(), status="failed", asked_at=now, hinted_at=now)
    assert "Pay again" in page().content.decode()

    Payment.objects.update(hinted_at=now + timedelta(seconds=1))
    assert "Pay again" not in page().content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_who_comes_back_after_a_try_that_failed_is_asked_for_once(status: str) -> None:
    returned(BookingFactory.create(), status=status)

    text = page().content.decode()

    assert "We are checking your payment" in text
    assert "Pay again" not in text
    assert Payment.objects.get().hinted_at is not None

    long_ago = timezone.now() - timedelta(hours=1)
    Payment.objects.update(hinted_at=long_ago, asked_at=long_ago)
    again = re.search(r'url=(\?since=\d+)"', text)
    assert again is not None
    assert "Pay again" in Client().get(f"/return/{KEY}{again[1]}").content.decode()
    assert Payment.objects.get().hinted_at == long_ago


@pytest.mark.django_db
@pytest.mark.parametrize(("asked_after", "may_retry"), [(-1, False), (1, True)])
def test_a_page_that_was_closed_before_its_end_gives_way_once_chapa_has_answered(
    asked_after: int, may_retry: bool
) -> None:
    closed_at = timezone.now() - timedelta(minutes=5)
    asked_at = closed_at + timedelta(minutes=asked_after)
    returned(BookingFactory.create(), link_closed_at=closed_at, asked_at=asked_at)

    text = Client().get(f"/return/{KEY}", {"since": "1"}).content.decode()

    assert ("Pay again" in text) == may_retry
    assert ("checking your payment" in text) != may_retry
    assert Payment.objects.get().hinted_at is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("booking_is", "payment_is", "applied", "told"),
    [
        ("cancelled", "succeeded", True, "What the terms of this stay give back goes back to you"),
        ("cancelled", "partially_refunded", True, "What the terms of this stay give back"),
        ("cancelled", "succeeded", False, "It came too late for the stay; your money goes back"),
        ("expired", "succeeded", False, "It came too late for the stay; your money goes back"),
        ("cancelled", "refunded", True, "<h1>Your money went back"),
    ],
)
def test_no_money_is_promised_that_the_terms_keep(
    booking_is: str, payment_is: str, applied: bool, told: str
) -> None:
    payment = returned(BookingFactory.create(), status=payment_is)
    Booking.objects.update(status=booking_is, paid_by=payment.id if applied else None)

    text = page().content.decode()

    assert told in text
    assert "could not be kept" not in text
    assert ("your money goes back to you" in text) == (not applied)


@pytest.mark.django_db
def test_the_end_of_a_hold_is_told_in_the_time_of_addis_ababa() -> None:
    now = timezone.now()
    returned(BookingFactory.create(), status="failed", asked_at=now)
    Booking.objects.update(hold_expires_at=datetime(2027, 3, 1, 22, 5, tzinfo=UTC))

    assert "held until 01:05 EAT" in page().content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("lately", ["asked_at", "hinted_at"])
def test_coming_back_asks_no_more_often_than_anyone_may(lately: str) -> None:
    then = timezone.now() - HINT_SPACING / 2
    returned(BookingFactory.create(), status="failed", **{lately: then})

    page()

    assert Payment.objects.get().hinted_at == (then if lately == "hinted_at" else None)


@pytest.mark.django_db
def test_of_a_stay_that_is_over_nobody_is_asked() -> None:
    returned(BookingFactory.create(status="expired"), status="failed")

    page()

    assert Payment.objects.get().hinted_at is None


def test_who_paid_on_the_second_try_is_not_led_to_pay_again(chapa: RunningSandbox) -> None:
    _, first, key = declined(chapa)
    browser = Client(enforce_csrf_checks=True)
    shown_before = browser.get(f"/return/{key}?since=1").content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', shown_before)
    assert token is not None
    chapa.chapa.pay(at_chapa(chapa, first))

    answer = browser.post(f"/return/{key}", {"csrfmiddlewaretoken": token[1]})

    text = answer.content.decode()
    assert "We are checking your payment" in text
    assert "Pay again" not in text
    assert "Chapa has not answered" not in text
    first.refresh_from_db()
    second = Payment.objects.get(status="pending")
    assert first.status == "succeeded"
    assert chapa.store.calls(second.tx_ref)["initialize"] == 0


@pytest.mark.django_db
def test_coming_back_is_a_hint() -> None:
    returned(BookingFactory.create(), next_check_at=timezone.now() + timedelta(hours=1))

    page()
    hinted = Payment.objects.get()
    page()

    assert hinted.next_check_at is not None
    assert hinted.next_check_at <= timezone.now()
    assert Payment.objects.get().hinted_at == hinted.hinted_at


@pytest.mark.django_db
def test_no_login_is_taken_and_no_other_method() -> None:
    returned(BookingFactory.create())

    assert Client().put(f"/return/{KEY}").status_code == 405
    assert Client().delete(f"/return/{KEY}").status_code == 405
    assert Client().head(f"/return/{KEY}").status_code == 200


def csrf_post(client: Client, key: str, **fields: str) -> Any:
    text = client.get(f"/return/{key}").content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', text)
    assert token is not None, text
    return client.post(f"/return/{key}", {"csrfmiddlewaretoken": token[1]} | fields)


def test_paying_again_opens_a_new_checkout_of_the_same_booking(chapa: RunningSandbox) -> None:
    booking, first, key = declined(chapa)

    answer = csrf_post(Client(enforce_csrf_checks=True), key, amount="1.00", booking="x")

    second = Payment.objects.get(status="pending")
    assert answer.status_code == 302
    assert answer["Location"] == second.checkout_url
    assert answer["Cache-Control"] == "no-store"
    assert (second.reference, second.amount) == (booking.id, booking.total_amount)
    assert at_chapa(chapa, first).link_expired


def test_without_the_pages_own_token_nothing_is_opened(chapa: RunningSandbox) -> None:
    assert chapa
    returned(BookingFactory.create(), status="failed")

    answer = Client(enforce_csrf_checks=True).post(f"/return/{KEY}")

    assert answer.status_code == 403
    assert Payment.objects.count() == 1


@pytest.mark.parametrize("status", ["confirmed", "expired", "cancelled"])
def test_a_booking_that_is_not_held_cannot_be_paid_again(
    chapa: RunningSandbox, status: str
) -> None:
    assert chapa
    payment = returned(BookingFactory.create(), status="failed")
    Booking.objects.update(status=status, paid_by=payment.id)

    answer = Client().post(f"/return/{KEY}")

    assert answer.status_code == 409
    assert Payment.objects.count() == 1


def test_while_chapa_is_silent_the_page_says_so(chapa: RunningSandbox) -> None:
    payment = returned(BookingFactory.create())
    chapa.faults.set({"verify": "500"})
    settle(payment, timezone.now())
    assert "Chapa does not answer us at the moment" in page().content.decode()

    chapa.faults.clear()
    settle(payment, timezone.now())

    text = page().content.decode()
    assert "This takes a few seconds" in text
    assert "Chapa does not answer" not in text


def test_paying_again_while_chapa_is_silent_says_so(chapa: RunningSandbox) -> None:
    returned(BookingFactory.create(), status="failed")
    chapa.faults.set({"initialize": "500"})

    answer = Client().post(f"/return/{KEY}")

    assert answer.status_code == 200
    assert "Chapa has not answered yet" in answer.content.decode()
    assert Payment.objects.filter(status="pending").count() == 1


@pytest.mark.django_db
def test_an_unknown_key_opens_nothing() -> None:
    assert Client().post("/return/unknown").status_code == 404
