"""What a local Chapa with a state file still knows after it was started again."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
import requests

from payments.chapa.sandbox.archive import StateUnusable
from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.server import running_sandbox
from payments.chapa.tests.cast import HASH, LIVE_KEY, TEST_KEY, wait_until
from payments.chapa.tests.sandbox_account import (
    BEGAN,
    DELAY_S,
    REFUND_S,
    RETRY_S,
    Account,
    HeldClock,
)
from payments.chapa.tests.servers import Receiver, running_receiver
from payments.chapa.tests.test_sandbox_process import answers, free_port, process


@pytest.fixture
def state(tmp_path: Path) -> str:
    return str(tmp_path / "chapa.sqlite3")


@pytest.fixture
def listener() -> Iterator[Receiver]:
    with running_receiver() as receiver:
        yield receiver


@contextmanager
def account_of(state: str, listener: Receiver, clock: HeldClock) -> Iterator[Account]:
    config = SandboxConfig(
        secret_keys=(TEST_KEY, LIVE_KEY),
        webhook_secrets=(HASH,),
        public_url=listener.origin,
        refund_s=REFUND_S,
        delay_s=DELAY_S,
        retry_s=RETRY_S,
        state=state,
    )
    with running_sandbox(config, clock) as chapa:
        yield Account(chapa, clock, listener)


def test_all_that_happened_is_there_again(state: str, listener: Receiver) -> None:
    clock = HeldClock()
    with account_of(state, listener, clock) as before:
        before.ask(
            "POST",
            "transaction/initialize",
            json={
                "amount": "1250.555",
                "currency": "ETB",
                "tx_ref": "gz-2",
                "first_name": "ሀና",
                "meta": {"nights": 2.5, "odd": {"$time": "no time"}},
            },
        )
        payment = before.paid()
        before.refund(payment, amount="40", reference="r-1")
        before.pass_time(0)
        store = before.chapa.store
        kept = (store.transactions(), store.refunds(), store.attempts("gz-1"))

    with account_of(state, listener, clock) as after:
        store = after.chapa.store
        assert (store.transactions(), store.refunds(), store.attempts("gz-1")) == kept
        assert store.find_by_token(payment.token) == payment
        assert after.refund(payment, reference="r-1").status_code == 400
        fields = {"amount": "1", "currency": "ETB", "tx_ref": "gz-2"}
        assert after.ask("POST", "transaction/initialize", json=fields).status_code == 400


def test_what_was_under_way_goes_on(state: str, listener: Receiver) -> None:
    clock = HeldClock()
    listener.statuses = [500, 500]
    with account_of(state, listener, clock) as before:
        before.refund(before.paid())
        before.pass_time(0)
        before.chapa.faults.set({"payment": "late", "webhook": "delay"})
        fields = {"amount": "9", "currency": "ETB", "tx_ref": "gz-2"}
        before.ask("POST", "transaction/initialize", json=fields)
        page = before.chapa.chapa.checkout_url(before.chapa.store.transactions()[1])
        requests.post(f"{page}/pay", data={"phone_number": "0900123456"}, timeout=5)

    with account_of(state, listener, clock) as after:
        after.pass_time(RETRY_S)
        attempts = after.chapa.store.attempts("gz-1")
        assert [(each.number, each.http_status) for each in attempts] == [(1, 500), (2, 500)]
        after.pass_time(RETRY_S)
        assert after.chapa.store.attempts("gz-1")[-1].http_status == 200
        after.pass_time(REFUND_S)
        after.pass_time(0)
        assert (after.status("gz-1"), after.status("gz-2")) == ("refunded", "success")
        assert after.chapa.chapa.next_due_at() is None


def test_made_as_new_it_forgets_for_ever(state: str, listener: Receiver) -> None:
    clock = HeldClock()
    with account_of(state, listener, clock) as before:
        before.paid()
        before.chapa.reset()

    with account_of(state, listener, clock) as after:
        assert after.chapa.store.transactions() == []
        assert after.chapa.store.attempts("gz-1") == []
        assert after.paid().amount == Decimal(100)


def test_one_state_serves_one_process(state: str, listener: Receiver) -> None:
    clock = HeldClock(BEGAN)
    with (
        account_of(state, listener, clock) as first,
        pytest.raises(StateUnusable, match="locked"),
        account_of(state, listener, clock),
    ):
        pass
    assert first.chapa.store.transactions() == []


def test_a_file_that_is_no_state_is_refused(state: str, listener: Receiver) -> None:
    Path(state).write_text("This is a letter, and not a state of anything. " * 40)
    with (
        pytest.raises(StateUnusable, match="not a database"),
        account_of(state, listener, HeldClock()),
    ):
        pass


def test_a_folder_that_is_not_there_is_named(state: str, listener: Receiver) -> None:
    with (
        pytest.raises(StateUnusable, match="nowhere"),
        account_of(f"{state}/nowhere/state", listener, HeldClock()),
    ):
        pass


def test_the_state_of_another_version_is_refused(state: str, listener: Receiver) -> None:
    with sqlite3.connect(state) as connection:
        connection.execute("pragma user_version = 99")
    connection.close()
    with (
        pytest.raises(StateUnusable, match="another version"),
        account_of(state, listener, HeldClock()),
    ):
        pass


@pytest.mark.crash
def test_a_killed_process_goes_on_where_it_was(state: str, listener: Receiver) -> None:
    port = free_port()
    environment = {
        "CHAPA_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "CHAPA_SECRET_KEY": LIVE_KEY,
        "CHAPA_WEBHOOK_SECRETS": HASH,
        "CHAPA_CHECKOUT_HOSTS": "",
        "CHAPA_SANDBOX_STATE": state,
        "PUBLIC_URL": listener.origin,
        "SANDBOX_RETRY_S": "2",
        "SANDBOX_REFUND_S": "3",
    }
    listener.statuses = [500]
    api = f"http://127.0.0.1:{port}"
    headers = {"Authorization": f"Bearer {LIVE_KEY}"}

    def status(tx_ref: str) -> object:
        answer = requests.get(f"{api}/v1/transaction/verify/{tx_ref}", headers=headers, timeout=5)
        return answer.json()["data"]["status"]

    with process(environment) as chapa:
        wait_until(lambda: answers(f"{api}/healthz"), seconds=10)
        for tx_ref in ("gz-1", "gz-2"):
            fields = {"amount": "100", "currency": "ETB", "tx_ref": tx_ref}
            url = f"{api}/v1/transaction/initialize"
            assert requests.post(url, json=fields, headers=headers, timeout=5).ok
        paid = requests.post(f"{api}/control/transactions/gz-1/pay", timeout=5).json()
        url = f"{api}/v1/refund/{paid['reference']}"
        assert requests.post(url, data={"reference": "r-1"}, headers=headers, timeout=5).ok
        wait_until(lambda: len(listener.webhooks()) == 1)
        os.kill(chapa.pid, signal.SIGKILL)
        chapa.wait(timeout=5)

    with process(environment):
        wait_until(lambda: answers(f"{api}/healthz"), seconds=10)
        assert status("gz-2") == "pending"
        wait_until(lambda: len(listener.webhooks()) == 3, seconds=15)
        assert status("gz-1") == "refunded"
        shown = requests.get(f"{api}/control/transactions/gz-1", timeout=5).json()
        assert sorted(each["number"] for each in shown["deliveries"]) == [1, 1, 2]
