from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.conf import settings as project_settings
from django.db import transaction
from pytest_django.fixtures import Settings

from core.ids import digest, new_id
from core.money import Money
from core.rendezvous import meet
from core.tests.factories import UserFactory
from events.models import Delivery
from payments.chapa.wire import Initialization, Outcome
from payments.models import GatewayCall, Payment
from payments.services.checkout import (
    Opening,
    _write_opening,
    find_payment_by_return_key,
    lock_payments,
    open_checkout,
    open_payment,
    waiting_slot,
)
from payments.services.closing import Silence, close_checkout, close_link, expire_payment
from payments.services.leasing import LEASE, PaymentBusy, take_lease
from payments.tests.cast import RunningSandbox, answer_about, at_chapa, events_of, write
from payments.tests.factories import NOW, PaymentFactory


@pytest.fixture
def unopened(chapa: RunningSandbox) -> Payment:
    del chapa
    return PaymentFactory.create(
        checkout_url="", opened_at=None, next_check_at=None, asking_until=NOW + LEASE
    )


@pytest.fixture
def short_patience(chapa: RunningSandbox) -> Iterator[None]:
    """A `timeout` hangs for a moment only before the connection drops."""
    config = chapa.chapa.config
    chapa.chapa.config = replace(config, hang_s=0.1)
    yield
    chapa.chapa.config = config


def test_an_opened_checkout_has_its_page_and_gives_the_lease_back(
    chapa: RunningSandbox, unopened: Payment
) -> None:
    opening = open_checkout(unopened, at=NOW)

    payment = Payment.objects.get()
    assert opening is Opening.OPENED
    assert payment.checkout_url == chapa.chapa.checkout_url(at_chapa(chapa, payment))
    assert (payment.opened_at, payment.asking_until) == (NOW, None)
    assert payment.status == "pending"


def test_chapa_is_told_what_is_owed_and_where_to_come_back_to(
    chapa: RunningSandbox, unopened: Payment
) -> None:
    open_checkout(unopened, at=NOW)

    there = at_chapa(chapa, unopened)
    assert (there.amount, there.currency) == (unopened.owed.amount, "ETB")
    assert there.callback_url == f"{project_settings.PUBLIC_URL}/callbacks/chapa"
    assert there.return_url is not None
    assert there.return_url.startswith(f"{project_settings.PUBLIC_URL}/return/")
    assert there.meta is None


def test_the_return_key_is_kept_as_a_digest_only(chapa: RunningSandbox, unopened: Payment) -> None:
    open_checkout(unopened, at=NOW)

    key = (at_chapa(chapa, unopened).return_url or "").rsplit("/", 1)[1]
    row = Payment.objects.values().get()
    assert len(key) >= 22
    assert row["return_key_digest"] == digest(key)
    assert key not in str(row)
    assert key not in str(list(GatewayCall.objects.values()))
    assert find_payment_by_return_key(key) == unopened
    assert find_payment_by_return_key(row["return_key_digest"]) is None
    assert find_payment_by_return_key("") is None


@pytest.mark.usefixtures("short_patience")
@pytest.mark.parametrize(
    ("fault", "opening"),
    [
        ("500", Opening.UNKNOWN),
        ("html", Opening.UNKNOWN),
        ("429", Opening.UNKNOWN),
        ("timeout", Opening.UNKNOWN),
        ("lose", Opening.UNKNOWN),
        ("401", Opening.CONFIG_ERROR),
    ],
)
def test_silence_at_the_counter_leaves_the_payment_pending(
    chapa: RunningSandbox, unopened: Payment, fault: str, opening: Opening
) -> None:
    chapa.faults.set({"initialize": fault})

    assert open_checkout(unopened, at=NOW) is opening

    payment = Payment.objects.get()
    assert (payment.status, payment.checkout_url, payment.asking_until) == ("pending", "", None)
    assert payment.return_key_digest == ""
    assert events_of(payment) == []


def test_a_page_on_another_host_is_not_taken_and_an_alarm(
    unopened: Payment, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHAPA_CHECKOUT_HOSTS = ["checkout.chapa.co"]

    assert open_checkout(unopened, at=NOW) is Opening.UNKNOWN

    assert Payment.objects.get().checkout_url == ""
    (alarm,) = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
    assert "chapa.page_elsewhere" in alarm
    assert "127.0.0.1" in alarm
    assert "/checkout/" not in alarm


def test_a_refusal_with_reasons_fails_the_payment(chapa: RunningSandbox, unopened: Payment) -> None:
    chapa.faults.set({"initialize": "object"})

    assert open_checkout(unopened, at=NOW) is Opening.REFUSED

    payment = Payment.objects.get()
    assert (payment.status, payment.failure_reason) == ("failed", "gateway_refused")
    assert events_of(payment) == ["payment.failed"]


def test_a_used_reference_keeps_the_page_it_has(chapa: RunningSandbox, unopened: Payment) -> None:
    open_checkout(unopened, at=NOW)
    first = Payment.objects.get()

    assert open_checkout(unopened, at=NOW) is Opening.USED_BEFORE

    again = Payment.objects.get()
    assert (again.checkout_url, again.return_key_digest) == (
        first.checkout_url,
        first.return_key_digest,
    )
    assert chapa.store.calls(unopened.tx_ref)["initialize"] == 2


@pytest.mark.parametrize("says", ["ok", "object", "500"])
def test_an_answer_that_comes_after_the_money_leaves_the_status_alone(
    chapa: RunningSandbox, unopened: Payment, says: str
) -> None:
    write(answer_about(unopened, Outcome.PAID))
    chapa.faults.set({"initialize": says})

    open_checkout(unopened, at=NOW)

    payment = Payment.objects.get()
    assert (payment.status, payment.failure_reason) == ("succeeded", "")
    assert bool(payment.checkout_url) == (says == "ok")
    assert payment.payable_url == ""
    assert events_of(payment) == ["payment.succeeded"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("opening", [Opening.OPENED, Opening.REFUSED, Opening.UNKNOWN])
def test_an_answer_that_is_written_while_the_money_is_leaves_the_status_alone(
    unopened: Payment, opening: Opening
) -> None:
    answer = Initialization(
        opening=opening, checkout_url="https://checkout/1", http_status=200, evidence={}
    )

    def write_opening() -> None:
        with transaction.atomic():
            _write_opening(unopened.id, answer, "key", NOW)

    meet(lambda: write(answer_about(unopened, Outcome.PAID)), write_opening)

    unopened.refresh_from_db()
    assert (unopened.status, unopened.failure_reason) == ("succeeded", "")
    assert events_of(unopened) == ["payment.succeeded"]


def test_older_links_of_the_booking_are_closed_before_a_new_one_opens(
    chapa: RunningSandbox, unopened: Payment
) -> None:
    older = PaymentFactory.create(reference=unopened.reference, status="expired", checkout_url="")
    open_checkout(older, at=NOW)
    stranger = PaymentFactory.create(status="failed", checkout_url="")
    open_checkout(stranger, at=NOW)

    open_checkout(unopened, at=NOW + timedelta(minutes=1))

    assert at_chapa(chapa, older).link_expired
    assert not at_chapa(chapa, stranger).link_expired
    assert not at_chapa(chapa, unopened).link_expired
    older.refresh_from_db()
    assert older.link_closed_at == NOW + timedelta(minutes=1)


def test_no_second_page_opens_while_the_first_turns_out_to_be_paid(
    chapa: RunningSandbox, unopened: Payment
) -> None:
    older = PaymentFactory.create(reference=unopened.reference, status="failed", checkout_url="")
    open_checkout(older, at=NOW)
    chapa.faults.set({"webhook": "off", "callback": "off"})
    chapa.chapa.pay(at_chapa(chapa, older))

    assert open_checkout(unopened, at=NOW + timedelta(minutes=1)) is Opening.UNKNOWN

    older.refresh_from_db()
    unopened.refresh_from_db()
    assert (older.status, unopened.status) == ("succeeded", "pending")
    assert (unopened.checkout_url, unopened.asking_until) == ("", None)
    assert chapa.store.calls(unopened.tx_ref)["initialize"] == 0


@pytest.mark.parametrize("faults", [{"verify": "500"}, {"cancel": "500"}])
def test_what_chapa_leaves_open_of_an_older_page_stops_nobody(
    chapa: RunningSandbox, unopened: Payment, faults: dict[str, str]
) -> None:
    older = PaymentFactory.create(reference=unopened.reference, status="failed", checkout_url="")
    open_checkout(older, at=NOW)
    chapa.faults.set(faults)

    assert open_checkout(unopened, at=NOW + timedelta(minutes=1)) is Opening.OPENED


def test_a_link_that_chapa_does_not_know_does_not_count_as_closed(chapa: RunningSandbox) -> None:
    payment = PaymentFactory.create()

    close_link(payment, NOW)

    assert chapa.store.calls(payment.tx_ref)["cancel"] == 1
    assert Payment.objects.get().link_closed_at is None


@pytest.mark.parametrize(
    ("faults", "silence"),
    [
        ({}, None),
        ({"verify": "500"}, Silence.NO_VERIFICATION),
        ({"cancel": "500"}, Silence.LINK_MAY_LIVE),
        ({"cancel": "401"}, Silence.LINK_MAY_LIVE),
        ({"cancel": "500", "verify": "html"}, Silence.NO_VERIFICATION),
    ],
)
def test_closing_tells_what_chapa_left_open(
    chapa: RunningSandbox, unopened: Payment, faults: dict[str, str], silence: Silence | None
) -> None:
    open_checkout(unopened, at=NOW)
    chapa.faults.set(faults)

    assert close_checkout(payment_id=unopened.id, at=NOW) == silence


def test_closing_while_someone_asks_is_refused(unopened: Payment) -> None:
    open_checkout(unopened, at=NOW)
    take_lease(unopened.id, NOW)

    with pytest.raises(PaymentBusy):
        close_checkout(payment_id=unopened.id, at=NOW)


@pytest.mark.django_db
def test_an_open_payment_is_returned_instead_of_a_second_one() -> None:
    reference, payer = new_id(), UserFactory.create()

    def start() -> tuple[Payment, bool]:
        with transaction.atomic():
            opened = open_payment(
                reference=reference,
                earlier=lock_payments(reference),
                payer=payer,
                owed=Money(Decimal("3700.00"), "ETB"),
                title="Place 1",
                expires_at=NOW + timedelta(minutes=30),
                at=NOW,
            )
        return opened.payment, opened.is_new

    first, second = start(), start()

    assert first == (second[0], True)
    assert not second[1]
    payment = Payment.objects.get()
    assert payment.tx_ref == f"guzo-{payment.id.hex}"
    assert payment.asking_until == NOW + LEASE
    assert Delivery.objects.get().next_at == NOW + timedelta(seconds=30)


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["pending", "failed", "succeeded", "in_review", "cancelled"])
def test_only_a_pending_payment_expires(status: str) -> None:
    payment = PaymentFactory.create(status=status)

    for _ in range(2):
        with transaction.atomic():
            expire_payment(payment_id=payment.id, at=NOW)

    payment.refresh_from_db()
    assert payment.status == ("expired" if status == "pending" else status)
    assert events_of(payment) == (["payment.expired"] if status == "pending" else [])


@pytest.mark.django_db
def test_at_most_half_of_the_threads_may_wait() -> None:
    half = project_settings.WEB_THREADS // 2

    with ExitStack() as waiting:
        assert [waiting.enter_context(waiting_slot(NOW)) for _ in range(half)] == [True] * half
        with waiting_slot(NOW) as may_wait:
            assert not may_wait
    with waiting_slot(NOW) as may_wait:
        assert may_wait
