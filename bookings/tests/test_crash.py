"""The mailing worker dies at each failpoint on a letter's way to a real mail server."""

from collections.abc import Iterator
from typing import get_args

import pytest
from django.test import Client

from bookings.models import Mail
from bookings.tests.cast import START, apply, deliver_at, payment_for
from bookings.tests.factories import BookingFactory
from bookings.tests.mail_room import MailRoom
from bookings.tests.mail_server import Postbox, serve
from core.failpoints import Failpoint
from events.base import Group
from events.models import Delivery, Receipt
from events.tests.cast import states

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

ON_ITS_WAY = [name for name in get_args(Failpoint) if name.startswith("mail.")]


@pytest.fixture
def postbox() -> Iterator[tuple[Postbox, int]]:
    box = Postbox()
    server = serve(box)
    server.start()
    yield box, server.port
    server.stop()


@pytest.fixture
def mail_room(postbox: tuple[Postbox, int]) -> MailRoom:
    booking = BookingFactory.create(created_at=START)
    apply(booking, payment_for(booking, status="succeeded"))
    # What is not a letter is out of the way.
    deliver_at(START, Group.CHAPA)
    return MailRoom(postbox[1], START)


@pytest.mark.parametrize("name", ON_ITS_WAY)
def test_a_letter_goes_twice_only_if_it_was_taken_and_nobody_wrote_it_down(
    postbox: tuple[Postbox, int], mail_room: MailRoom, client: Client, name: Failpoint
) -> None:
    mail_room.die_at(name)
    mail_room.work(minutes=0)
    # Whatever happened, it is doubtful for a minute, and says so.
    debt = Delivery.objects.get()
    assert (debt.state, debt.doubtful_calls) == ("retry", 1)
    assert "Its worker died" in debt.last_error
    assert _seen(client, "retry")
    assert len(postbox[0].letters) == (name != "mail.sending")

    mail_room.work(minutes=1)
    mail_room.work(minutes=60)

    letters = postbox[0].letters
    assert len(letters) == 1 + (name == "mail.accepted")
    assert {letter["Message-ID"] for letter in letters} == {Mail.objects.get().message_id}
    assert (Mail.objects.get().state, states()) == ("sent", [])
    # And afterwards: its timeline tells that it may have gone twice.
    assert Receipt.objects.get(handler="send_confirmation").how == "doubtful"


def test_a_letter_that_was_taken_twice_by_nobodys_witness_waits_for_a_person(
    postbox: tuple[Postbox, int], mail_room: MailRoom, client: Client
) -> None:
    mail_room.die_at("mail.accepted")
    mail_room.work(minutes=0)
    mail_room.die_at("mail.accepted", minutes=1)

    for minutes in (1, 5, 600):
        mail_room.work(minutes)

    assert len(postbox[0].letters) == 2
    assert len({letter["Message-ID"] for letter in postbox[0].letters}) == 1
    assert states() == ["uncertain"]
    assert _seen(client, "uncertain")


def _seen(client: Client, state: str) -> bool:
    gauge = f'guzo_deliveries{{handler="send_confirmation",state="{state}"}} 1.0'
    return gauge in client.get("/metrics").content.decode().splitlines()
