"""Refunds at the local Chapa, asked for with plain requests."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.server import running_sandbox
from payments.chapa.tests.cast import HASH, LIVE_KEY, TEST_KEY, wait_until
from payments.chapa.tests.sandbox_account import REFUND_S, Account, HeldClock, running_account
from payments.chapa.tests.servers import Receiver


@pytest.fixture(scope="module")
def running() -> Iterator[Account]:
    with running_account() as account:
        yield account


@pytest.fixture
def account(running: Account) -> Account:
    return running.as_new()


def test_a_refund_is_taken_processed_and_done(account: Account) -> None:
    payment = account.paid()

    answer = account.refund(payment, reason="The host cancelled", reference="r-1")

    assert answer.status_code == 200
    assert answer.json()["status"] == "success"
    data = answer.json()["data"]
    ref_id = data.pop("ref_id")
    assert data == {
        "amount": 100,
        "currency": "ETB",
        "payment_reference": payment.reference,
        "status": "initiated",
    }
    account.pass_time(REFUND_S / 2 - 1)
    assert account.state(ref_id) == "initiated"
    account.pass_time(1)
    assert account.state(ref_id) == "processing"
    assert account.status() == "success"
    account.pass_time(REFUND_S / 2)
    assert account.state(ref_id) == "refunded"
    assert account.status() == "refunded"


def test_json_is_taken_like_a_form(account: Account) -> None:
    payment = account.paid()

    answer = account.ask("POST", f"refund/{payment.reference}", json={"amount": 40.5})

    assert answer.json()["data"]["amount"] == 40.5


def test_in_test_mode_refunds_are_refused(account: Account) -> None:
    payment = account.paid(key=TEST_KEY)

    answer = account.ask("POST", f"refund/{payment.reference}", key=TEST_KEY)

    assert answer.status_code == 400
    assert answer.json() == {
        "message": "Refunds can only be processed in live mode",
        "status": "failed",
        "data": None,
    }


def test_in_test_mode_refunds_can_be_switched_on(account: Account) -> None:
    payment = account.paid(key=TEST_KEY)
    account.chapa.faults.set({"test_refunds": "on"})

    assert account.ask("POST", f"refund/{payment.reference}", key=TEST_KEY).ok


def test_when_the_last_part_is_back_the_payment_is_refunded_and_told(account: Account) -> None:
    payment = account.paid()
    account.refund(payment, amount="60")
    account.pass_time(REFUND_S)
    assert account.status() == "success"
    account.refund(payment, amount="40.00")
    account.pass_time(REFUND_S)
    assert account.status() == "refunded"
    account.chapa.chapa.catch_up()
    wait_until(lambda: len(account.receiver.webhooks()) == 2)

    told = [json.loads(each.body) for each in account.receiver.webhooks()]
    assert [each["event"] for each in told] == ["charge.success", "charge.refunded"]


def test_what_is_left_bounds_a_refund(account: Account) -> None:
    payment = account.paid()
    account.refund(payment, amount="60")

    answer = account.refund(payment, amount="40.01")

    assert answer.status_code == 400
    assert answer.json()["message"] == "Refund amount cannot exceed the full transaction amount"
    assert account.refund(payment).json()["data"]["amount"] == 40
    assert account.refund(payment).status_code == 400


def test_of_refunds_at_once_no_more_than_all_is_taken(account: Account) -> None:
    payment = account.paid()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: account.refund(payment, amount="60").ok, range(8)))

    assert answers.count(True) == 1


def test_a_refund_that_came_back_can_be_ordered_again(account: Account) -> None:
    payment = account.paid()
    account.chapa.faults.set({"refund_end": "reversed"})
    ref_id = account.refund(payment).json()["data"]["ref_id"]

    account.pass_time(REFUND_S)

    assert account.state(ref_id) == "reversed"
    assert account.status() == "success"
    assert account.refund(payment).ok


def test_the_merchants_reference_serves_once_for_each_mode(account: Account) -> None:
    first, second = account.paid("gz-1"), account.paid("gz-2")
    account.refund(first, reference="r-1", amount="1")

    for payment in (first, second):
        answer = account.refund(payment, reference="r-1", amount="1")
        assert answer.status_code == 400
        assert answer.json()["message"] == "Refund reference has been used before"
    assert account.refund(second, amount="1").ok
    assert account.refund(second, amount="1").ok


def test_only_chapas_own_reference_of_ones_own_mode_will_do(account: Account) -> None:
    payment = account.paid()
    account.paid("gz-2", key=TEST_KEY)
    other = account.chapa.store.find("gz-2")
    assert other is not None

    for reference in ("gz-1", "AP0000000000", other.reference):
        answer = account.ask("POST", f"refund/{reference}")
        assert (answer.status_code, answer.json()["message"]) == (404, "Transaction not found")
    ref_id = account.refund(payment).json()["data"]["ref_id"]
    assert account.ask("GET", f"refund/{ref_id}/verify", key=TEST_KEY).status_code == 404
    assert account.ask("GET", "refund/RF0000000000/verify").status_code == 404


def test_what_was_not_paid_is_not_refunded(account: Account) -> None:
    account.paid()
    fields = {"amount": "10", "currency": "ETB", "tx_ref": "gz-2"}
    account.ask("POST", "transaction/initialize", json=fields)
    opened = account.chapa.store.find("gz-2")
    assert opened is not None
    declined = account.chapa.chapa.decline(opened)

    assert account.refund(declined).status_code == 400


@pytest.mark.parametrize("amount", ["ten", "0", "-1", "1,000"])
def test_an_amount_that_is_none_is_complained_of(account: Account, amount: str) -> None:
    answer = account.refund(account.paid(), amount=amount)

    assert answer.status_code == 400
    assert list(answer.json()["message"]) == ["amount"]


@pytest.mark.parametrize("path", ["refund/AP0000000000", "refund/RF0000000000/verify"])
def test_refunds_need_a_key(account: Account, path: str) -> None:
    method = "GET" if path.endswith("verify") else "POST"

    assert account.ask(method, path, headers={}).status_code == 401


@pytest.mark.parametrize(
    ("fault", "http_status", "taken"),
    [
        ("500", 500, False),
        ("html", 200, False),
        ("429", 429, False),
        ("insufficient", 400, False),
        ("lose", None, True),
        ("timeout", None, False),
        ("no_ref_id", 200, True),
    ],
)
def test_a_fault_of_refund_leaves_what_it_says(
    account: Account, fault: str, http_status: int | None, taken: bool
) -> None:
    payment = account.paid()
    account.chapa.faults.set({"refund": fault})
    seen: requests.Response | None = None
    try:
        seen = account.refund(payment, reference="r-1")
    except requests.ConnectionError:
        assert http_status is None
    account.chapa.faults.clear()

    assert (None if seen is None else seen.status_code) == http_status
    assert len(account.chapa.store.refunds(payment)) == taken
    again = account.refund(payment, reference="r-1", amount="1")
    assert again.ok is not taken
    if fault == "no_ref_id":
        assert seen is not None
        assert "ref_id" not in seen.json()["data"]


@pytest.mark.parametrize(("fault", "http_status"), [("500", 500), ("429", 429), ("404", 404)])
def test_a_fault_of_verify_refund_hides_it_until_it_is_lifted(
    account: Account, fault: str, http_status: int
) -> None:
    ref_id = account.refund(account.paid()).json()["data"]["ref_id"]
    account.chapa.faults.set({"verify_refund": fault})

    assert account.ask("GET", f"refund/{ref_id}/verify").status_code == http_status
    account.chapa.faults.clear()
    assert account.state(ref_id) == "initiated"


def test_refunds_are_shown_and_can_be_ended_by_hand(account: Account) -> None:
    ref_id = account.refund(account.paid(), reference="r-1").json()["data"]["ref_id"]
    control = f"{account.chapa.origin}/control"

    [listed] = requests.get(f"{control}/refunds", timeout=5).json()
    assert (listed["ref_id"], listed["tx_ref"], listed["reference"]) == (ref_id, "gz-1", "r-1")
    assert requests.post(f"{control}/refunds/{ref_id}/refunded", timeout=5).ok
    assert requests.post(f"{control}/refunds/{ref_id}/reversed", timeout=5).status_code == 409
    assert requests.post(f"{control}/refunds/RF1/refunded", timeout=5).status_code == 404
    shown = requests.get(f"{control}/transactions/gz-1", timeout=5).json()
    assert shown["status"] == "refunded"
    assert [each["status"] for each in shown["refunds"]] == ["refunded"]


def test_a_refund_settles_by_itself_in_real_time() -> None:
    config = SandboxConfig(
        secret_keys=(LIVE_KEY,), webhook_secrets=(HASH,), webhook=False, refund_s=0.05
    )
    with running_sandbox(config) as chapa:
        account = Account(chapa, HeldClock(), Receiver(""))
        account.refund(account.paid())

        wait_until(lambda: account.status() == "refunded")
