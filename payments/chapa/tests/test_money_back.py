"""The real client and the local Chapa, about money that goes back and about what is listed."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from payments.chapa.client import ChapaClient
from payments.chapa.sandbox.troubles import TROUBLES
from payments.chapa.tests.cast import LIVE_KEY, TEST_KEY
from payments.chapa.tests.conftest import MakeClient
from payments.chapa.tests.sandbox_account import REFUND_S, Account, running_account
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
def client(account: Account, make_client: MakeClient) -> ChapaClient:
    return make_client(account.chapa.base_url, secret_key=LIVE_KEY, read_timeout_s=0.3)


def give_back(client: ChapaClient, reference: str | None, amount: str = "40") -> RefundSubmission:
    return client.refund(
        reference or "none",
        money_amount=Decimal(amount),
        currency="ETB",
        reference="gzr-1",
        reason="Two nights & a day",
    )


def test_a_refund_is_taken_and_seen_to_its_end(account: Account, client: ChapaClient) -> None:
    payment = account.paid()

    taken = give_back(client, payment.reference, "100")

    assert taken.submitted is RefundSubmitted.ACCEPTED
    seen = client.verify_refund(taken.refund_reference)
    assert (seen.progress, seen.amount, seen.currency) == (
        RefundProgress.PENDING,
        Decimal(100),
        "ETB",
    )
    account.pass_time(REFUND_S)
    assert client.verify_refund(taken.refund_reference).progress is RefundProgress.REFUNDED
    assert client.verify("gz-1").outcome is Outcome.REFUNDED


def test_all_of_what_is_told_to_be_less_is_all_there_is(
    account: Account, client: ChapaClient
) -> None:
    payment = account.paid()
    account.chapa.faults.set_for("gz-1", {"claim": "amount"})

    give_back(client, payment.reference, "50")
    account.pass_time(REFUND_S)

    assert client.verify("gz-1").outcome is Outcome.REFUNDED


def test_a_refund_that_comes_back_is_reversed(account: Account, client: ChapaClient) -> None:
    account.chapa.faults.set({"refund_end": "reversed"})
    taken = give_back(client, account.paid().reference)

    account.pass_time(REFUND_S)

    assert client.verify_refund(taken.refund_reference).progress is RefundProgress.REVERSED


def test_what_chapa_refuses_is_refused(account: Account, client: ChapaClient) -> None:
    payment = account.paid()

    assert give_back(client, payment.reference, "100.01").submitted is RefundSubmitted.REFUSED
    assert give_back(client, "APnever").submitted is RefundSubmitted.REFUSED
    account.chapa.faults.set({"refund": "insufficient"})
    assert give_back(client, payment.reference).submitted is RefundSubmitted.REFUSED
    assert account.chapa.store.refunds(payment) == []


def test_a_test_key_gives_nothing_back(account: Account, make_client: MakeClient) -> None:
    payment = account.paid(key=TEST_KEY)

    submission = give_back(make_client(account.chapa.base_url), payment.reference)

    assert submission.submitted is RefundSubmitted.REFUSED_IN_TEST_MODE
    assert submission.reason == "Refunds can only be processed in live mode"


@pytest.mark.parametrize("trouble", sorted({*TROUBLES, "lose"}))
def test_a_refund_is_repeated_safely_after_any_trouble(
    account: Account, client: ChapaClient, trouble: str
) -> None:
    payment = account.paid()
    account.chapa.faults.set({"refund": trouble, "effect": "on"})
    lost = give_back(client, payment.reference)
    account.chapa.faults.set({"refund": "ok"})

    again = give_back(client, payment.reference)

    refused_key = trouble in ("401", "inactive")
    expected = RefundSubmitted.CONFIG_ERROR if refused_key else RefundSubmitted.UNKNOWN
    assert lost.submitted is expected
    assert again.submitted is RefundSubmitted.USED_BEFORE
    assert len(account.chapa.store.refunds(payment)) == 1


def test_a_refund_of_all_that_was_taken_and_not_answered_is_refused_when_repeated(
    account: Account, client: ChapaClient
) -> None:
    payment = account.paid()
    account.chapa.faults.set({"refund": "lose"})
    lost = give_back(client, payment.reference, "100")
    account.chapa.faults.set({"refund": "ok"})

    again = give_back(client, payment.reference, "100")

    assert lost.submitted is RefundSubmitted.UNKNOWN
    assert (again.submitted, again.exceeds) == (RefundSubmitted.REFUSED, True)
    assert len(account.chapa.store.refunds(payment)) == 1


@pytest.mark.parametrize("trouble", sorted(TROUBLES))
def test_no_trouble_makes_a_list_or_a_refund_end(
    account: Account, client: ChapaClient, trouble: str
) -> None:
    payment = account.paid()
    ref_id = give_back(client, payment.reference).refund_reference
    account.pass_time(REFUND_S)
    calls = ("verify_refund", "transactions", "events", "balances")
    account.chapa.faults.set(dict.fromkeys(calls, trouble))

    assert payment.reference is not None
    assert client.verify_refund(ref_id).progress not in (
        RefundProgress.REFUNDED,
        RefundProgress.REVERSED,
        RefundProgress.NOT_FOUND,
    )
    assert client.list_transactions(page=1).fetched is not Fetched.ANSWERED
    assert client.transaction_events(payment.reference).fetched is not Fetched.ANSWERED
    assert client.balances().fetched is not Fetched.ANSWERED


def test_an_acceptance_may_name_no_refund(account: Account, client: ChapaClient) -> None:
    account.chapa.faults.set({"refund": "no_ref_id"})

    submission = give_back(client, account.paid().reference)

    assert submission.submitted is RefundSubmitted.ACCEPTED
    assert submission.refund_reference == ""


def test_a_refund_that_is_not_there_is_not_found(account: Account, client: ChapaClient) -> None:
    assert client.verify_refund("RFnever").progress is RefundProgress.NOT_FOUND


def test_pages_are_read_to_their_end(account: Account, client: ChapaClient) -> None:
    paid = [account.paid(f"gz-{number}").reference for number in range(5)]
    found, page = [], 1
    while True:
        listed = client.list_transactions(page=page, per_page=2)
        assert listed.fetched is Fetched.ANSWERED
        found += [each.reference for each in listed.transactions]
        if not listed.has_next:
            break
        page += 1

    assert sorted(found) == sorted(str(reference) for reference in paid)
    assert page == 3
    first = client.list_transactions(page=1).transactions[0]
    assert (first.status, first.amount, first.currency) == ("success", Decimal(100), "ETB")
    assert first.created_at == account.clock.at


def test_events_and_balances_are_read(account: Account, client: ChapaClient) -> None:
    payment = account.paid()
    assert payment.reference is not None
    before = client.balances().available["ETB"]

    give_back(client, payment.reference)

    assert client.balances().available["ETB"] == before - 40
    events = client.transaction_events(payment.reference)
    assert events.fetched is Fetched.ANSWERED
    assert all(event.item and event.message and event.created_at for event in events.events)
    assert events.events
