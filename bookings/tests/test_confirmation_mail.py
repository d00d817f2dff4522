"""One letter per confirmed booking, through a real mail server."""

from datetime import datetime, timedelta
from email.message import EmailMessage

import pytest
from pytest_django.fixtures import Settings

from bookings.models import Booking, Mail
from bookings.tests.cast import START, apply, deliver_at, payment_for
from bookings.tests.factories import BookingFactory
from bookings.tests.mail_server import Postbox, free_port
from events.base import Group
from events.models import Delivery, Receipt
from events.replay import NotReplayable, Selection
from events.tests.cast import run_replay

pytestmark = pytest.mark.django_db(transaction=True)


def confirmed(**values: str) -> Booking:
    booking = BookingFactory.create(created_at=START, **values)
    return apply(booking, payment_for(booking, status="succeeded"))


def deliver_mail(at: datetime = START) -> None:
    deliver_at(at, Group.MAIL)


def part(letter: EmailMessage, kind: str) -> str:
    found = letter.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def test_a_confirmed_booking_gets_one_letter_with_everything(postbox: Postbox) -> None:
    booking = confirmed(traveller__first_name="ሰላም", listing__name="Ben Abeba & Sons <Lodge>")

    deliver_mail()
    deliver_mail(START + timedelta(hours=1))

    (letter,) = postbox.letters
    assert letter["To"] == booking.traveller.email
    assert letter["Subject"] == (
        f"Your stay is confirmed: Ben Abeba & Sons <Lodge> ({booking.code})"
    )
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter.get_content_type() == "multipart/alternative"
    text, html = part(letter, "plain"), part(letter, "html")
    for content in (text, html):
        assert booking.code in content
        assert "ሰላም" in content
        assert "3,700.00 ETB" in content
    assert "Ben Abeba & Sons <Lodge>" in text
    assert "Ben Abeba &amp; Sons &lt;Lodge&gt;" in html
    mail = Mail.objects.get()
    assert (mail.state, mail.sent_at) == ("sent", START)
    assert letter["Message-ID"] == mail.message_id


@pytest.mark.parametrize(
    "name", ["Lodge\r\nBcc: everyone@guzo.et", "Lodge\nSubject: You won", "Lodge\x0b\x00 Tana"]
)
def test_a_name_cannot_add_a_header(postbox: Postbox, name: str) -> None:
    confirmed(listing__name=name.replace("\x00", ""))

    deliver_mail()

    (letter,) = postbox.letters
    assert letter["Bcc"] is None
    assert len(letter.get_all("Subject", [])) == 1
    assert "\n" not in letter["Subject"]


def test_a_letter_delivered_twice_is_sent_once(postbox: Postbox) -> None:
    confirmed()
    deliver_mail()
    # As after a crash between the sending and the receipt's commit.
    paid = Receipt.objects.get(handler="send_confirmation")
    paid.delete()
    Delivery.objects.create(
        event_id=paid.event_id,
        handler="send_confirmation",
        group="mail",
        lane=0,
        subject_key=0,
        ordered=False,
        state="ready",
        next_at=START,
    )

    deliver_mail()

    assert len(postbox.letters) == 1
    assert Receipt.objects.filter(handler="send_confirmation").count() == 1


def test_a_refused_address_ends_before_a_person(postbox: Postbox) -> None:
    postbox.to_recipient = "550 No such user"
    confirmed()

    deliver_mail()

    delivery = Delivery.objects.get(group=Group.MAIL)
    assert (delivery.state, delivery.attempts) == ("dead", 1)
    assert "the address was refused" in delivery.last_error
    assert "@" not in delivery.last_error
    assert Mail.objects.get().state == "queued"


@pytest.mark.parametrize(
    ("recipient", "letter"),
    [("450 Greylisted", "250 OK"), ("250 OK", "451 Later"), ("250 OK", "552 Too large")],
)
def test_what_the_server_did_not_take_is_tried_again(
    postbox: Postbox, recipient: str, letter: str
) -> None:
    postbox.to_recipient, postbox.to_letter = recipient, letter
    confirmed()

    deliver_mail()
    assert (Delivery.objects.get(group=Group.MAIL).state, Mail.objects.get().state) == (
        "retry",
        "queued",
    )

    postbox.to_recipient = postbox.to_letter = "250 OK"
    deliver_mail(START + timedelta(minutes=1))

    assert len(postbox.letters) == 1
    assert (Delivery.objects.filter(group=Group.MAIL).count(), Mail.objects.get().state) == (
        0,
        "sent",
    )


def test_while_the_server_is_down_the_letter_waits(postbox: Postbox, settings: Settings) -> None:
    up, settings.EMAIL_PORT = settings.EMAIL_PORT, free_port()
    confirmed()

    deliver_mail()
    assert (Delivery.objects.get(group=Group.MAIL).state, Mail.objects.get().state) == (
        "retry",
        "queued",
    )

    settings.EMAIL_PORT = up
    deliver_mail(START + timedelta(minutes=1))
    assert len(postbox.letters) == 1


def test_a_server_that_is_not_there_has_taken_nothing(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "mail.invalid"
    confirmed()

    deliver_mail()

    assert (Delivery.objects.get(group=Group.MAIL).state, Mail.objects.get().state) == (
        "retry",
        "queued",
    )


def test_a_letter_that_may_be_on_its_way_is_sent_once_more_under_the_same_id(
    postbox: Postbox,
) -> None:
    postbox.hangs_up = True
    confirmed()

    deliver_mail()
    deliver_mail(START + timedelta(seconds=59))
    assert (len(postbox.letters), Mail.objects.get().state) == (1, "sending")

    deliver_mail(START + timedelta(seconds=60))
    deliver_mail(START + timedelta(hours=1))
    assert len(postbox.letters) == 2
    assert len({letter["Message-ID"] for letter in postbox.letters}) == 1
    # Never a third time: a person decides.
    assert Delivery.objects.get(group=Group.MAIL).state == "uncertain"


def test_a_letter_that_is_no_longer_true_is_not_sent(postbox: Postbox) -> None:
    booking = confirmed()
    Booking.objects.filter(id=booking.id).update(status="cancelled")

    deliver_mail()

    assert postbox.letters == []
    assert Mail.objects.get().state == "skipped"
    assert not Delivery.objects.filter(group=Group.MAIL).exists()


@pytest.mark.crash
def test_a_server_that_is_away_for_hours_kills_no_letter(
    postbox: Postbox, settings: Settings
) -> None:
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, free_port()
    confirmed()
    at = START
    while at < START + timedelta(hours=6):
        deliver_mail(at)
        debt = Delivery.objects.get(handler="send_confirmation")
        assert debt.state == "retry"
        at = debt.next_at

    settings.EMAIL_PORT = port
    deliver_mail(at)

    assert len(postbox.letters) == 1


@pytest.mark.crash
def test_a_server_that_is_away_for_a_day_is_told_to_a_person(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    confirmed()
    for hour in range(60):
        deliver_mail(START + timedelta(hours=hour))

    assert Delivery.objects.get(handler="send_confirmation").state == "dead"


def test_a_taken_letter_is_not_sent_again_by_whoever_was_late_to_write_the_receipt(
    postbox: Postbox,
) -> None:
    confirmed()
    deliver_mail()
    # As if the receipt had never been written: the worker was given up while the server was slow.
    event_id = Mail.objects.get().event_id
    Receipt.objects.filter(event_id=event_id).delete()
    run_replay(Selection(ids=(event_id,)), at=START)

    deliver_mail(START + timedelta(minutes=5))

    assert len(postbox.letters) == 1
    assert Receipt.objects.filter(event_id=event_id).exists()


def test_a_forced_rerun_is_another_letter_and_an_unforced_one_none(
    postbox: Postbox,
) -> None:
    confirmed()
    deliver_mail(START)
    event_id = Mail.objects.get().event_id

    with pytest.raises(NotReplayable, match="send_confirmation"):
        run_replay(Selection(ids=(event_id,)), at=START, mode="rerun")
    deliver_mail(START + timedelta(minutes=1))
    assert len(postbox.letters) == 1

    assert run_replay(Selection(ids=(event_id,)), at=START, mode="rerun", force=True) == {
        "added": 1
    }
    deliver_mail(START + timedelta(minutes=2))
    deliver_mail(START + timedelta(minutes=3))

    assert len({letter["Message-ID"] for letter in postbox.letters}) == 2
    assert len(postbox.letters) == 2
