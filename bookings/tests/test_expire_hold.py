from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.conf import settings

from bookings.models import Booking
from bookings.services.ending import GRACE, expire_due_holds, expire_hold
from bookings.services.paying import TIME_TO_PAY
from bookings.tests.cast import (
    START,
    RunningSandbox,
    apply,
    at_chapa,
    deliver_at,
    events_of,
    pay_silently,
    payment_for,
    settle,
    start,
)
from bookings.tests.factories import BookingFactory
from core.ids import new_id
from core.tests.threads import at_once
from events.base import Group
from payments.services.asking import verify_payment
from payments.services.breaker import GatewayUnavailable
from payments.services.closing import LINK_LIFE
from payments.services.hints import receive_callback
from payments.services.leasing import take_lease
from payments.services.status import Payment

MINUTE = timedelta(minutes=1)
END = START + timedelta(minutes=30)
CAP = settings.HOLD_OUTAGE_CAP


def clock_at(at: datetime) -> Callable[[], datetime]:
    return lambda: at


def held() -> Booking:
    return BookingFactory.create(created_at=START)


def failed_once(chapa: RunningSandbox) -> tuple[Booking, Payment]:
    """Return a hold whose traveller was declined, and may try again on the same page."""
    booking = held()
    payment = start(booking, START)
    chapa.faults.set({"webhook": "off", "callback": "off"})
    chapa.chapa.decline(at_chapa(chapa, payment))
    settle(payment, START + MINUTE)
    payment.refresh_from_db()
    assert payment.status == "failed"
    return booking, payment


def status_of(booking: Booking) -> str:
    booking.refresh_from_db()
    return booking.status


@pytest.mark.django_db
def test_an_unpaid_hold_ends_with_its_time_and_not_before() -> None:
    booking = held()

    assert expire_due_holds(clock_at(END - timedelta(microseconds=1))) == {}
    assert expire_due_holds(clock_at(END)) == {"expired": 1}
    assert expire_due_holds(clock_at(END)) == {}

    assert status_of(booking) == "expired"
    assert booking.ended_at == END
    assert events_of(booking) == ["booking.expired"]


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_end_a_hold_once() -> None:
    unpaid = [held() for _ in range(10)]

    swept = at_once(3, lambda _: expire_due_holds(clock_at(END)))

    assert sum(outcomes["expired"] for outcomes in swept) == 10
    for booking in unpaid:
        assert (status_of(booking), events_of(booking)) == ("expired", ["booking.expired"])


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["confirmed", "cancelled", "expired"])
def test_only_holds_expire(status: str) -> None:
    booking = BookingFactory.create(created_at=START, status=status, paid_by=new_id())

    assert expire_hold(booking_id=booking.id, at=END) == "kept"

    assert (status_of(booking), events_of(booking)) == (status, [])


def test_a_hold_is_not_looked_into_before_its_end(chapa: RunningSandbox) -> None:
    booking = held()
    payment = start(booking, START)

    assert expire_hold(booking_id=booking.id, at=END - timedelta(seconds=1)) == "kept"

    assert chapa.store.calls(payment.tx_ref) == {"initialize": 1, "verify": 0, "cancel": 0}


def test_the_link_of_an_expired_hold_is_closed_at_chapa(chapa: RunningSandbox) -> None:
    booking = held()
    payment = start(booking, START)

    assert expire_due_holds(clock_at(END)) == {"expired": 1}

    payment.refresh_from_db()
    assert (status_of(booking), payment.status) == ("expired", "expired")
    assert at_chapa(chapa, payment).link_expired
    assert chapa.store.calls(payment.tx_ref) == {"initialize": 1, "verify": 1, "cancel": 1}
    assert payment.next_check_at is not None


def test_money_of_the_last_moment_keeps_the_hold(chapa: RunningSandbox) -> None:
    booking = held()
    payment = start(booking, START)
    pay_silently(chapa, payment)

    assert expire_due_holds(clock_at(END)) == {"paid": 1}

    payment.refresh_from_db()
    assert (status_of(booking), payment.status) == ("held", "succeeded")
    assert apply(booking, payment).status == "confirmed"


def test_money_of_a_second_try_on_the_same_page_keeps_the_hold(chapa: RunningSandbox) -> None:
    booking, payment = failed_once(chapa)
    pay_silently(chapa, payment)

    assert expire_due_holds(clock_at(END)) == {"paid": 1}

    assert status_of(booking) == "held"
    assert apply(booking, payment).status == "confirmed"


def test_the_link_of_a_try_that_failed_is_closed_and_asked_about_once(
    chapa: RunningSandbox,
) -> None:
    booking, payment = failed_once(chapa)
    another = start(booking, START + 2 * MINUTE)
    receive_callback(tx_ref=another.tx_ref, at=END - MINUTE)

    for minutes in range(3):
        assert expire_due_holds(clock_at(END + minutes * MINUTE)) == {"kept": 1}
    assert expire_due_holds(clock_at(END + GRACE)) == {"expired": 1}

    assert at_chapa(chapa, payment).link_expired
    assert chapa.store.calls(payment.tx_ref) == {"initialize": 1, "verify": 2, "cancel": 1}
    assert chapa.store.calls(another.tx_ref)["cancel"] == 1


def test_a_link_that_nobody_can_pay_on_any_more_is_not_asked_about(chapa: RunningSandbox) -> None:
    _, payment = failed_once(chapa)
    Payment.objects.update(opened_at=END - LINK_LIFE)

    assert expire_due_holds(clock_at(END)) == {"expired": 1}

    assert chapa.store.calls(payment.tx_ref)["verify"] == 1


@pytest.mark.parametrize(("hinted_after", "outcome"), [(0, "expired"), (2, "kept")])
def test_news_since_a_try_failed_keeps_the_hold_for_a_while(
    chapa: RunningSandbox, hinted_after: int, outcome: str
) -> None:
    booking, _ = failed_once(chapa)
    Payment.objects.update(hinted_at=START + hinted_after * MINUTE)
    Booking.objects.update(hold_expires_at=START + 8 * MINUTE)

    assert expire_hold(booking_id=booking.id, at=START + 8 * MINUTE) == outcome


def test_while_chapa_is_silent_the_hold_of_who_failed_once_is_kept_up_to_the_cap(
    chapa: RunningSandbox,
) -> None:
    booking, payment = failed_once(chapa)
    chapa.faults.set({"verify": "500"})

    assert expire_due_holds(clock_at(END)) == {"silent": 1}
    expire_due_holds(clock_at(END + MINUTE))
    assert (status_of(booking), booking.hold_expires_at) == ("held", END + MINUTE + TIME_TO_PAY)
    assert expire_due_holds(clock_at(END + CAP)) == {"expired": 1}

    assert chapa.store.calls(payment.tx_ref)["cancel"] == 1


@pytest.mark.parametrize("status", ["failed", "in_review", "refunded", "cancelled"])
@pytest.mark.django_db
def test_no_other_payment_keeps_a_hold(status: str) -> None:
    booking = held()
    payment = payment_for(booking, status=status, checkout_url="")

    assert expire_hold(booking_id=booking.id, at=END) == "expired"

    payment.refresh_from_db()
    assert payment.status == status


def test_a_hint_that_chapa_does_not_confirm_keeps_the_hold_for_a_while(
    chapa: RunningSandbox,
) -> None:
    booking = held()
    payment = start(booking, START)
    receive_callback(tx_ref=payment.tx_ref, at=END - timedelta(seconds=5))

    assert expire_due_holds(clock_at(END)) == {"kept": 1}
    assert expire_due_holds(clock_at(END + GRACE - timedelta(seconds=10))) == {"kept": 1}
    assert at_chapa(chapa, payment).link_expired
    assert expire_due_holds(clock_at(END + GRACE)) == {"expired": 1}


def test_hints_cannot_keep_a_hold_for_ever(chapa: RunningSandbox) -> None:
    booking = held()
    payment = start(booking, START)
    receive_callback(tx_ref=payment.tx_ref, at=END + GRACE - timedelta(seconds=1))
    assert chapa

    assert expire_due_holds(clock_at(END + GRACE)) == {"expired": 1}


@pytest.mark.parametrize(
    ("faults", "ends"),
    [
        ({"verify": "500"}, END + CAP),
        ({"verify": "401"}, END + CAP),
        # It can be asked, but whether its link lives it does not say.
        ({"cancel": "html"}, END),
    ],
)
def test_while_chapa_is_silent_a_hold_is_kept_up_to_the_cap(
    chapa: RunningSandbox, faults: dict[str, str], ends: datetime
) -> None:
    booking = held()
    payment = start(booking, START)
    chapa.faults.set(faults)

    assert expire_due_holds(clock_at(END)) == {"silent": 1}
    expire_due_holds(clock_at(END + CAP - timedelta(seconds=1)))
    assert (status_of(booking), booking.hold_expires_at) == ("held", ends)
    assert expire_due_holds(clock_at(END + CAP)) == {"expired": 1}

    payment.refresh_from_db()
    assert (status_of(booking), payment.status) == ("expired", "expired")


def test_when_chapa_is_back_there_is_time_to_pay_left(chapa: RunningSandbox) -> None:
    booking = held()
    payment = start(booking, START)
    chapa.faults.set({"verify": "500"})
    with pytest.raises(GatewayUnavailable):
        verify_payment(payment_id=payment.id, owner=booking.traveller, at=END - 2 * MINUTE)

    expire_due_holds(clock_at(END - MINUTE))
    chapa.faults.clear()
    settle(payment, END)

    until = END - MINUTE + TIME_TO_PAY
    assert expire_due_holds(clock_at(until - MINUTE)) == {}
    assert (status_of(booking), booking.hold_expires_at) == ("held", until)
    assert start(booking, until - MINUTE) == payment
    assert expire_due_holds(clock_at(until)) == {"expired": 1}
    assert payment.expires_at == END


def test_time_that_is_given_back_is_time_to_pay(chapa: RunningSandbox) -> None:
    booking = held()
    closed = start(booking, START)
    chapa.faults.set({"verify": "500"})
    for minutes in range(2):
        expire_due_holds(clock_at(END + minutes * MINUTE))
    chapa.faults.clear()
    assert not chapa.chapa.is_payable(at_chapa(chapa, closed))

    another = start(booking, END + 2 * MINUTE)

    assert (another.id != closed.id, bool(another.payable_url)) == (True, True)
    assert chapa.chapa.is_payable(at_chapa(chapa, another))


def test_while_chapa_is_away_everybody_who_is_about_to_pay_has_time(chapa: RunningSandbox) -> None:
    payments = [start(held(), START) for _ in range(4)]
    unpaid = held()
    chapa.faults.set({"verify": "500"})
    for payment in payments[:3]:
        settle(payment, END - MINUTE)

    assert expire_due_holds(clock_at(END - MINUTE)) == {}
    assert expire_due_holds(clock_at(END)) == {"expired": 1}

    assert status_of(unpaid) == "expired"
    ends = Booking.objects.exclude(id=unpaid.id).values_list("hold_expires_at", flat=True)
    assert set(ends) == {END + TIME_TO_PAY, END - MINUTE + TIME_TO_PAY}
    assert chapa.store.calls(payments[3].tx_ref)["verify"] == 0


def test_money_of_a_silent_hour_is_late_money(chapa: RunningSandbox) -> None:
    booking = held()
    payment = start(booking, START)
    pay_silently(chapa, payment)
    chapa.faults.set({"verify": "500"})
    after = END + CAP + timedelta(minutes=1)

    expire_due_holds(clock_at(after))
    chapa.faults.set({"verify": "ok"})
    settle(payment, after + timedelta(minutes=1))

    assert status_of(booking) == "expired"
    assert apply(booking, payment, after).status == "confirmed"
    assert events_of(booking) == ["booking.expired", "booking.confirmed"]


def test_silence_about_one_hold_does_not_keep_those_nobody_began_to_pay(
    chapa: RunningSandbox,
) -> None:
    waiting = [held() for _ in range(5)]
    payments = [start(booking, START) for booking in waiting]
    unpaid = [held() for _ in range(3)]
    chapa.faults.set({"verify": "500"})

    assert expire_due_holds(clock_at(END)) == {"silent": 5, "expired": 3}

    assert {status_of(booking) for booking in unpaid} == {"expired"}
    # Three were asked about; after their silence the others of this sweep were not.
    assert sum(chapa.store.calls(payment.tx_ref)["verify"] for payment in payments) == 3


def test_a_payment_someone_is_asking_about_keeps_the_hold(chapa: RunningSandbox) -> None:
    booking = held()
    payment = start(booking, START)
    take_lease(payment.id, END)
    assert chapa

    assert expire_due_holds(clock_at(END)) == {"silent": 1}


def test_one_that_cannot_be_ended_does_not_stop_the_others(chapa: RunningSandbox) -> None:
    broken, sound = held(), held()
    payment_for(broken, tx_ref="not a reference")
    assert chapa

    assert expire_due_holds(clock_at(END)) == {"failed": 1, "expired": 1}

    assert (status_of(broken), status_of(sound)) == ("held", "expired")


@pytest.mark.django_db
def test_a_sweep_ends_with_its_time_slice() -> None:
    for _ in range(4):
        held()
    ticks = iter(END + timedelta(seconds=20 * n) for n in range(9))

    assert expire_due_holds(lambda: next(ticks)).total() == 2


def test_a_link_that_could_not_be_closed_is_closed_once_chapa_is_back(
    chapa: RunningSandbox,
) -> None:
    booking = held()
    payment = start(booking, START)
    booking.refresh_from_db()
    apply(booking, payment_for(booking, status="succeeded"))
    chapa.faults.set({"cancel": "500"})

    deliver_at(START + timedelta(minutes=1), Group.CHAPA)
    assert not at_chapa(chapa, payment).link_expired

    chapa.faults.set({"cancel": "ok"})
    deliver_at(START + timedelta(minutes=5), Group.CHAPA)
    assert at_chapa(chapa, payment).link_expired
    assert Payment.objects.get(id=payment.id).link_closed_at is not None


def test_past_the_cap_a_silent_chapa_is_asked_three_times_a_sweep(chapa: RunningSandbox) -> None:
    payments = [start(held(), START) for _ in range(5)]
    chapa.faults.set({"verify": "500"})

    assert expire_due_holds(clock_at(END + CAP + timedelta(minutes=1))) == {"expired": 5}

    assert sum(chapa.store.calls(payment.tx_ref)["verify"] for payment in payments) == 3
