"""Guzo's own client against the local Chapa: refunds, lists and balances, with time held."""

import json
from collections.abc import Iterator
from decimal import Decimal

import pytest
import requests

from payments.chapa.client import ChapaClient
from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.server import running_sandbox
from payments.chapa.sandbox.transactions import Transaction
from payments.chapa.tests.cast import HASH, LIVE_KEY, TEST_KEY, a_checkout, wait_until
from payments.chapa.tests.conftest import MakeClient
from payments.chapa.tests.sandbox_account import REFUND_S, Account, running_account
from payments.chapa.tests.servers import Receiver
from payments.chapa.wire import (
    Fetched,
    Outcome,
    RefundProgress,
    RefundSubmission,
    RefundSubmitted,
)


@pytest.fixture(scope="module")
def running() -> Iterator[Account]:
    with running_account() as account:
        yield account


@pytest.fixture
def account(running: Account) -> Account:
    return running.as_new()


@pytest.fixture
def live(account: Account, make_client: MakeClient) -> ChapaClient:
    return make_client(account.chapa.base_url, secret_key=LIVE_KEY)


def refund(
    client: ChapaClient, payment: Transaction, amount: str = "100", reference: str = "r-1"
) -> RefundSubmission:
    return client.refund(
        payment.reference or "",
        money_amount=Decimal(amount),
        currency="ETB",
        reference=reference,
        reason="The host cancelled",
    )


def test_one_set_up_serves_both_keys_and_each_in_its_own_mode(
    receiver: Receiver, make_client: MakeClient
) -> None:
    environment = {
        "CHAPA_BASE_URL": "http://127.0.0.1:0/v1",
        "CHAPA_SECRET_KEY": f"{TEST_KEY},{LIVE_KEY}",
        "CHAPA_WEBHOOK_SECRETS": HASH,
        "PUBLIC_URL": receiver.origin,
        "SANDBOX_REFUND_S": "0.4",
    }
    with running_sandbox(SandboxConfig.from_environment(environment)) as chapa:
        hosts = (chapa.checkout_host,)
        test = make_client(chapa.base_url, checkout_hosts=hosts)
        live = make_client(chapa.base_url, checkout_hosts=hosts, secret_key=LIVE_KEY)
        for client, tx_ref in ((test, "gz-test"), (live, "gz-live")):
            page = client.initialize(a_checkout(tx_ref, return_url="")).checkout_url
            requests.post(f"{page}/pay", data={"phone_number": "0900123456"}, timeout=5)

        wait_until(lambda: len(receiver.webhooks()) == 2)
        told = [json.loads(each.body) for each in receiver.webhooks()]
        assert {(each["tx_ref"], each["mode"]) for each in told} == {
            ("gz-test", "test"),
            ("gz-live", "live"),
        }
        assert (test.verify("gz-test").mode, live.verify("gz-live").mode) == ("test", "live")
        assert test.verify("gz-live").outcome is Outcome.CONFIG_ERROR
        assert live.verify("gz-test").outcome is Outcome.CONFIG_ERROR
        paid = {each.tx_ref: each for each in chapa.store.transactions()}
        refused = refund(test, paid["gz-test"])
        assert refused.submitted is RefundSubmitted.REFUSED_IN_TEST_MODE
        taken = refund(live, paid["gz-live"], "1250.50")
        assert taken.submitted is RefundSubmitted.ACCEPTED
        assert live.verify_refund(taken.refund_reference).progress is RefundProgress.PENDING
        wait_until(lambda: live.verify("gz-live").outcome is Outcome.REFUNDED)


def test_a_refund_is_followed_to_its_end(account: Account, live: ChapaClient) -> None:
    submitted = refund(live, account.paid())
    assert submitted.submitted is RefundSubmitted.ACCEPTED
    assert submitted.refund_reference.startswith("RF")

    seen = live.verify_refund(submitted.refund_reference)
    assert (seen.progress, seen.amount, seen.currency) == (
        RefundProgress.PENDING,
        Decimal(100),
        "ETB",
    )
    account.pass_time(REFUND_S / 2)
    assert live.verify_refund(submitted.refund_reference).progress is RefundProgress.PENDING
    account.pass_time(REFUND_S / 2)
    assert live.verify_refund(submitted.refund_reference).progress is RefundProgress.REFUNDED
    assert live.verify("gz-1").outcome is Outcome.REFUNDED


def test_a_refund_that_comes_back_is_reversed(account: Account, live: ChapaClient) -> None:
    account.chapa.faults.set({"refund_end": "reversed"})
    submitted = refund(live, account.paid())
    account.pass_time(REFUND_S)

    assert live.verify_refund(submitted.refund_reference).progress is RefundProgress.REVERSED
    assert live.verify("gz-1").outcome is Outcome.PAID


@pytest.mark.parametrize(
    ("fault", "submitted"),
    [
        ("insufficient", RefundSubmitted.REFUSED),
        ("no_ref_id", RefundSubmitted.ACCEPTED),
        ("lose", RefundSubmitted.UNKNOWN),
        ("timeout", RefundSubmitted.UNKNOWN),
        ("html", RefundSubmitted.UNKNOWN),
        ("500", RefundSubmitted.UNKNOWN),
        ("429", RefundSubmitted.UNKNOWN),
        ("401", RefundSubmitted.CONFIG_ERROR),
        ("inactive", RefundSubmitted.CONFIG_ERROR),
    ],
)
def test_each_trouble_of_a_refund_is_told_apart(
    account: Account, live: ChapaClient, fault: str, submitted: RefundSubmitted
) -> None:
    payment = account.paid()
    account.chapa.faults.set({"refund": fault})

    answer = refund(live, payment)

    assert (answer.submitted, answer.refund_reference) == (submitted, "")


def test_each_refusal_of_a_refund_is_told_apart(
    account: Account, live: ChapaClient, make_client: MakeClient
) -> None:
    payment = account.paid()
    assert refund(live, payment, "100.01").submitted is RefundSubmitted.REFUSED
    refund(live, payment, "1")
    assert refund(live, payment, "1").submitted is RefundSubmitted.USED_BEFORE
    test = make_client(account.chapa.base_url, secret_key=TEST_KEY)
    of_test = account.paid("gz-2", key=TEST_KEY)
    assert refund(test, of_test).submitted is RefundSubmitted.REFUSED_IN_TEST_MODE
    assert refund(live, of_test).submitted is RefundSubmitted.REFUSED
    assert live.verify_refund("RF0000000000").progress is RefundProgress.NOT_FOUND


def test_transactions_are_read_page_by_page(account: Account, live: ChapaClient) -> None:
    payments = [account.paid(f"gz-{number}") for number in range(3)]
    first = live.list_transactions(page=1, per_page=2)
    second = live.list_transactions(page=2, per_page=2)

    assert (first.fetched, first.has_next, second.has_next) == (Fetched.ANSWERED, True, False)
    listed = first.transactions + second.transactions
    assert [each.reference for each in listed] == [each.reference for each in payments[::-1]]
    assert {(each.amount, each.charge, each.currency) for each in listed} == {
        (Decimal(100), Decimal("3.5"), "ETB")
    }
    assert {(each.status, each.method) for each in listed} == {("success", "telebirr")}
    assert {each.created_at for each in listed} == {account.clock.at}


def test_events_and_balances_are_read(account: Account, live: ChapaClient) -> None:
    payment = account.paid()

    events = live.transaction_events(payment.reference or "")
    assert events.fetched is Fetched.ANSWERED
    assert [each.is_error for each in events.events] == [False, False]
    balances = live.balances()
    assert balances.available["ETB"] == Decimal("1000096.5")
    assert balances.ledger["USD"] == Decimal(1_000_000)
