from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from rest_framework.test import APIClient

from core.ids import new_id
from core.models import User
from core.tests.factories import UserFactory
from payments import states
from payments.models import Payment
from payments.services.checkout import open_checkout, waiting_slot
from payments.services.leasing import take_lease
from payments.tests.cast import RunningSandbox, at_chapa
from payments.tests.factories import NOW, PaymentFactory

ClientOf = Callable[[User], APIClient]


@pytest.fixture
def client_of() -> ClientOf:
    def make(user: User) -> APIClient:
        client = APIClient()
        client.force_authenticate(user)
        return client

    return make


def url(payment: Payment, tail: str = "") -> str:
    return f"/api/v1/payments/{payment.id}{tail}"


@pytest.mark.django_db
def test_the_owner_sees_a_payment(client_of: ClientOf) -> None:
    payment = PaymentFactory.create()

    answer = client_of(payment.payer).get(url(payment))

    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert answer.json() == {
        "id": str(payment.id),
        "booking": str(payment.reference),
        "tx_ref": payment.tx_ref,
        "status": "pending",
        "amount": {"amount": "3700.00", "currency": "ETB"},
        "refunded": {"amount": "0.00", "currency": "ETB"},
        "checkout_url": payment.checkout_url,
        "gateway_reference": None,
        "mode": "test",
        "failure_reason": None,
        "created_at": "2026-05-04T09:00:00.000000Z",
        "expires_at": "2026-05-04T09:30:00.000000Z",
        "settled_at": None,
    }


@pytest.mark.django_db
@pytest.mark.parametrize("status", sorted(set(states.TRANSITIONS) - {states.PENDING}))
def test_a_link_is_shown_only_while_money_is_wanted(client_of: ClientOf, status: str) -> None:
    payment = PaymentFactory.create(status=status)

    assert client_of(payment.payer).get(url(payment)).json()["checkout_url"] is None


@pytest.mark.django_db
def test_no_link_is_shown_once_it_is_closed(client_of: ClientOf) -> None:
    payment = PaymentFactory.create(link_closed_at=timezone.now())

    assert client_of(payment.payer).get(url(payment)).json()["checkout_url"] is None


@pytest.mark.django_db
def test_no_link_is_shown_before_there_is_one(client_of: ClientOf) -> None:
    payment = PaymentFactory.create(checkout_url="")

    assert client_of(payment.payer).get(url(payment)).json()["checkout_url"] is None


@pytest.mark.django_db
def test_a_stranger_cannot_tell_it_from_one_that_is_not_there(client_of: ClientOf) -> None:
    payment = PaymentFactory.create()
    stranger = client_of(UserFactory.create())
    nowhere = f"/api/v1/payments/{new_id()}"

    for tail, ask in (("", stranger.get), ("/verify", stranger.post)):
        theirs, nothing = ask(url(payment, tail)), ask(nowhere + tail)
        assert theirs.status_code == nothing.status_code == 404
        assert theirs.content == nothing.content
    assert APIClient().get(url(payment)).status_code == 401
    assert APIClient().post(url(payment, "/verify")).status_code == 401


@pytest.mark.django_db
def test_verify_takes_no_fields(client_of: ClientOf) -> None:
    payment = PaymentFactory.create()

    answer = client_of(payment.payer).post(
        url(payment, "/verify"), {"status": "succeeded"}, format="json"
    )

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/status"


def opened(chapa: RunningSandbox) -> Payment:
    payment = PaymentFactory.create(checkout_url="")
    open_checkout(payment, at=NOW)
    chapa.faults.set({"webhook": "off", "callback": "off"})
    return payment


def test_verify_asks_chapa_now(chapa: RunningSandbox, client_of: ClientOf) -> None:
    payment = opened(chapa)
    chapa.chapa.pay(at_chapa(chapa, payment))

    answer = client_of(payment.payer).post(url(payment, "/verify"))

    assert answer.status_code == 200
    assert answer.json()["status"] == "succeeded"
    assert answer.json()["gateway_reference"] == at_chapa(chapa, payment).reference
    assert answer.json()["checkout_url"] is None


@pytest.mark.parametrize("fault", ["ok", "500"])
def test_verify_too_often_is_refused_whether_chapa_answered_or_not(
    chapa: RunningSandbox, client_of: ClientOf, fault: str
) -> None:
    payment = opened(chapa)
    chapa.faults.set({"verify": fault})
    client = client_of(payment.payer)

    first, second = (client.post(url(payment, "/verify")) for _ in range(2))

    assert first.status_code == (200 if fault == "ok" else 503)
    assert second.status_code == 429
    assert second.json()["code"] == "asked_too_often"
    assert 1 <= int(second["Retry-After"]) <= 5
    assert chapa.store.calls(payment.tx_ref)["verify"] == 1


@pytest.mark.parametrize("fault", ["500", "html", "429", "401"])
def test_verify_says_that_chapa_is_silent(
    chapa: RunningSandbox, client_of: ClientOf, fault: str
) -> None:
    payment = opened(chapa)
    chapa.faults.set({"verify": fault})

    answer = client_of(payment.payer).post(url(payment, "/verify"))

    assert (answer.status_code, answer.json()["code"]) == (503, "gateway_unavailable")
    assert int(answer["Retry-After"]) == 10
    assert Payment.objects.get().status == "pending"


def test_verify_while_someone_asks_is_refused(chapa: RunningSandbox, client_of: ClientOf) -> None:
    payment = opened(chapa)
    take_lease(payment.id, timezone.now() - timedelta(seconds=1))

    answer = client_of(payment.payer).post(url(payment, "/verify"))

    assert (answer.status_code, answer.json()["code"]) == (429, "payment_busy")


def test_verify_does_not_wait_when_half_the_threads_do(
    chapa: RunningSandbox, client_of: ClientOf
) -> None:
    payment = opened(chapa)

    with ExitStack() as waiting:
        for _ in range(settings.WEB_THREADS // 2):
            waiting.enter_context(waiting_slot(timezone.now()))
        answer = client_of(payment.payer).post(url(payment, "/verify"))

    assert answer.status_code == 503
    assert chapa.store.calls(payment.tx_ref)["verify"] == 0
