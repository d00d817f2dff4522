"""The real client against the real local Chapa."""

import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from payments.chapa.client import ChapaClient
from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.server import RunningSandbox, running_sandbox
from payments.chapa.sandbox.transactions import Transaction
from payments.chapa.tests.cast import HASH, LIVE_KEY, TEST_KEY, a_checkout
from payments.chapa.tests.conftest import MakeClient
from payments.chapa.wire import Closing, Mode, Opening, Outcome


def found(sandbox: RunningSandbox, tx_ref: str = "gz-1") -> Transaction:
    transaction = sandbox.store.find(tx_ref)
    assert transaction is not None
    return transaction


def test_a_checkout_is_opened_paid_and_verified(
    client: ChapaClient, sandbox: RunningSandbox
) -> None:
    opened = client.initialize(a_checkout())
    before = client.verify("gz-1")
    sandbox.chapa.pay(found(sandbox))
    after = client.verify("gz-1")

    assert opened.opening is Opening.OPENED
    assert opened.checkout_url == f"{sandbox.origin}/checkout/payment/{found(sandbox).token}"
    assert (before.outcome, before.reference) == (Outcome.PENDING, "")
    assert after.outcome is Outcome.PAID
    assert (after.amount, after.currency) == (Decimal("1250.50"), "ETB")
    assert (after.tx_ref, after.mode, after.method) == ("gz-1", "test", "telebirr")
    assert after.charge == Decimal("43.77")
    assert after.reference.startswith("AP")
    assert len(after.reference) == 12


def test_an_unknown_reference_is_not_found(client: ChapaClient) -> None:
    assert client.verify("gz-1").outcome is Outcome.NOT_FOUND
    assert client.cancel("gz-1").closing is Closing.NOT_FOUND


def test_a_reference_serves_once_even_if_it_was_never_paid(client: ChapaClient) -> None:
    client.initialize(a_checkout())
    client.cancel("gz-1")

    assert client.initialize(a_checkout()).opening is Opening.USED_BEFORE


def test_a_cancelled_checkout_stays_pending(client: ChapaClient) -> None:
    client.initialize(a_checkout())

    assert client.cancel("gz-1").closing is Closing.CLOSED
    assert client.cancel("gz-1").closing is Closing.ALREADY_CLOSED
    assert client.verify("gz-1").outcome is Outcome.PENDING


def test_a_paid_checkout_cannot_be_cancelled(client: ChapaClient, sandbox: RunningSandbox) -> None:
    client.initialize(a_checkout())
    sandbox.chapa.pay(found(sandbox))

    assert client.cancel("gz-1").closing is Closing.REFUSED


@pytest.mark.parametrize(
    ("moves", "outcome"),
    [
        (["decline"], Outcome.CANCELLED),
        (["decline", "pay"], Outcome.PAID),
        (["cancel", "pay"], Outcome.PAID),
        (["pay", "reverse"], Outcome.REVERSED),
        (["pay", "refund"], Outcome.REFUNDED),
    ],
)
def test_what_became_of_a_transaction_is_verified(
    client: ChapaClient, sandbox: RunningSandbox, moves: list[str], outcome: Outcome
) -> None:
    client.initialize(a_checkout())

    for move in moves:
        getattr(sandbox.chapa, move)(found(sandbox))

    assert client.verify("gz-1").outcome is outcome


@pytest.mark.parametrize(
    ("fault", "opening", "then"),
    [
        ("500", Opening.UNKNOWN, Outcome.NOT_FOUND),
        ("html", Opening.UNKNOWN, Outcome.NOT_FOUND),
        ("429", Opening.UNKNOWN, Outcome.NOT_FOUND),
        ("401", Opening.CONFIG_ERROR, Outcome.NOT_FOUND),
        ("lose", Opening.UNKNOWN, Outcome.PENDING),
    ],
)
def test_a_checkout_that_could_not_be_opened_is_told_apart(
    client: ChapaClient,
    sandbox: RunningSandbox,
    fault: str,
    opening: Opening,
    then: Outcome,
) -> None:
    sandbox.faults.set({"initialize": fault})
    answer = client.initialize(a_checkout())

    assert answer.opening is opening
    assert answer.checkout_url is None
    assert client.verify("gz-1").outcome is then


def test_the_repeat_after_a_lost_answer_is_used_before(
    client: ChapaClient, sandbox: RunningSandbox
) -> None:
    sandbox.faults.set({"initialize": "lose"})
    client.initialize(a_checkout())
    sandbox.faults.clear()

    assert client.initialize(a_checkout()).opening is Opening.USED_BEFORE


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("500", Outcome.TRANSIENT),
        ("html", Outcome.TRANSIENT),
        ("429", Outcome.TRANSIENT),
        ("401", Outcome.CONFIG_ERROR),
        ("pending", Outcome.PENDING),
        ("404", Outcome.NOT_FOUND),
        ("unpaid", Outcome.PENDING),
    ],
)
def test_a_fault_of_verify_hides_a_payment_until_it_is_lifted(
    client: ChapaClient, sandbox: RunningSandbox, fault: str, outcome: Outcome
) -> None:
    client.initialize(a_checkout())
    sandbox.chapa.pay(found(sandbox))

    sandbox.faults.set({"verify": fault})
    assert client.verify("gz-1").outcome is outcome
    sandbox.faults.clear()
    assert client.verify("gz-1").outcome is Outcome.PAID


@pytest.mark.parametrize(
    ("fault", "closing"),
    [
        ("500", Closing.UNKNOWN),
        ("html", Closing.UNKNOWN),
        ("429", Closing.UNKNOWN),
        ("401", Closing.CONFIG_ERROR),
    ],
)
def test_a_fault_of_cancel_leaves_the_link_alive(
    client: ChapaClient, sandbox: RunningSandbox, fault: str, closing: Closing
) -> None:
    client.initialize(a_checkout())
    sandbox.faults.set({"cancel": fault})

    assert client.cancel("gz-1").closing is closing
    assert not found(sandbox).link_expired


def test_another_amount_can_be_claimed(client: ChapaClient, sandbox: RunningSandbox) -> None:
    client.initialize(a_checkout())
    sandbox.chapa.pay(found(sandbox))
    sandbox.faults.set({"amount": "1.00"})

    assert client.verify("gz-1").amount == Decimal(1)


def test_latency_is_felt(client: ChapaClient, sandbox: RunningSandbox) -> None:
    sandbox.faults.set({"latency_s": 0.1})
    began = time.monotonic()
    client.verify("gz-1")

    assert time.monotonic() - began >= 0.1


def test_a_call_that_hangs_is_given_up_counted_and_changes_nothing(
    client: ChapaClient, hasty_client: ChapaClient, sandbox: RunningSandbox
) -> None:
    sandbox.faults.set({"initialize": "timeout", "verify": "timeout", "cancel": "timeout"})

    answers = (
        hasty_client.initialize(a_checkout()),
        hasty_client.verify("gz-1"),
        hasty_client.cancel("gz-1"),
    )

    assert {answer.evidence["problem"] for answer in answers} == {"read timeout"}
    assert sandbox.store.calls("gz-1") == {"initialize": 1, "verify": 1, "cancel": 1}
    sandbox.faults.clear()
    assert client.verify("gz-1").outcome is Outcome.NOT_FOUND


def test_many_threads_may_share_one_client(client: ChapaClient, sandbox: RunningSandbox) -> None:
    with ThreadPoolExecutor(16) as pool:
        openings = pool.map(lambda n: client.initialize(a_checkout(f"gz-{n}")).opening, range(64))

        assert set(openings) == {Opening.OPENED}
    assert len(sandbox.store.transactions()) == 64


def test_one_reference_opened_by_many_at_once_is_opened_once(client: ChapaClient) -> None:
    with ThreadPoolExecutor(16) as pool:
        openings = list(pool.map(lambda _: client.initialize(a_checkout()).opening, range(16)))

    assert openings.count(Opening.OPENED) == 1
    assert openings.count(Opening.USED_BEFORE) == 15


def test_the_keys_of_both_modes_share_no_reference(make_client: MakeClient) -> None:
    config = SandboxConfig(secret_keys=(TEST_KEY, LIVE_KEY), webhook_secrets=(HASH,))
    with running_sandbox(config) as sandbox:
        hosts = (sandbox.checkout_host,)
        test, live = (
            make_client(sandbox.base_url, secret_key=key, checkout_hosts=hosts)
            for key in (TEST_KEY, LIVE_KEY)
        )
        test.initialize(a_checkout())

        refused = live.verify("gz-1")
        assert refused.outcome is Outcome.CONFIG_ERROR
        assert "to verify a test transaction" in str(refused.evidence["message"])
        assert live.initialize(a_checkout()).opening is Opening.OPENED
        assert live.verify("gz-1").mode == Mode.LIVE
