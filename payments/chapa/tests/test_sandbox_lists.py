"""What the local Chapa lists, asked for with plain requests."""

from dataclasses import replace
from decimal import Decimal

import pytest
import requests

from payments.chapa.client import ChapaClient
from payments.chapa.sandbox.refunds import RefundState
from payments.chapa.sandbox.server import RunningSandbox
from payments.chapa.sandbox.transactions import Transaction
from payments.chapa.tests.cast import TEST_KEY, a_checkout


def ask(sandbox: RunningSandbox, path: str, **given: object) -> requests.Response:
    options: dict[str, object] = {"headers": {"Authorization": f"Bearer {TEST_KEY}"}, "timeout": 5}
    return requests.get(f"{sandbox.base_url}/{path}", **(options | given))  # type: ignore[arg-type]


def opened(client: ChapaClient, sandbox: RunningSandbox, tx_ref: str) -> Transaction:
    client.initialize(a_checkout(tx_ref))
    found = sandbox.store.find(tx_ref)
    assert found is not None
    return found


def paid(client: ChapaClient, sandbox: RunningSandbox, tx_ref: str = "gz-1") -> Transaction:
    return sandbox.chapa.pay(opened(client, sandbox, tx_ref))


def test_a_listed_transaction_has_the_documented_shape(
    client: ChapaClient, sandbox: RunningSandbox
) -> None:
    transaction = paid(client, sandbox)

    answer = ask(sandbox, "transactions").json()

    assert (answer["message"], answer["status"]) == (
        "Transactions retrieved successfully",
        "success",
    )
    [listed] = answer["data"]["transactions"]
    assert isinstance(listed["customer"].pop("id"), int)
    assert listed.pop("created_at").endswith(".000000Z")
    assert listed == {
        "status": "success",
        "ref_id": transaction.reference,
        "type": "API",
        "currency": "ETB",
        "amount": "1250.500",
        "charge": "43.770",
        "trans_id": None,
        "payment_method": "telebirr",
        "customer": {
            "email": "hanna@gmail.com",
            "first_name": "Hanna",
            "last_name": "Tesfaye",
            "mobile": "0900123456",
        },
    }


def test_the_newest_are_listed_first_page_by_page(
    client: ChapaClient, sandbox: RunningSandbox
) -> None:
    references = [paid(client, sandbox, f"gz-{number}").reference for number in range(5)]
    seen, url = [], f"{sandbox.base_url}/transactions?page=1&per_page=2"
    pages = 0

    while url:
        answer = requests.get(url, headers={"Authorization": f"Bearer {TEST_KEY}"}, timeout=5)
        data = answer.json()["data"]
        seen += [each["ref_id"] for each in data["transactions"]]
        url = data["pagination"]["next_page_url"]
        pages += 1

    assert (seen, pages) == (references[::-1], 3)


@pytest.mark.parametrize("query", ["page=0", "page=x", "per_page=-1", "page=99999999999999", ""])
def test_a_senseless_page_is_the_usual_one(
    client: ChapaClient, sandbox: RunningSandbox, query: str
) -> None:
    paid(client, sandbox)

    data = ask(sandbox, f"transactions?{query}").json()["data"]

    assert len(data["transactions"]) == 1
    assert data["pagination"]["current_page"] == 1
    assert data["pagination"]["per_page"] == 10
    assert data["pagination"]["prev_page_url"] is None


def test_events_tell_what_was_tried(client: ChapaClient, sandbox: RunningSandbox) -> None:
    transaction = opened(client, sandbox, "gz-1")
    sandbox.chapa.page.pay(transaction, "0911223344")
    reference = sandbox.chapa.page.pay(transaction, "0900123456").reference

    answer = ask(sandbox, f"transaction/events/{reference}").json()

    assert (answer["message"], answer["status"]) == ("Transaction events fetched", "success")
    assert [each["type"] for each in answer["data"]] == ["log", "error", "log", "log"]
    assert answer["data"][0]["message"] == "Attempted to make payment with telebirr"
    assert set(answer["data"][0]) == {"item", "message", "type", "created_at", "updated_at"}


def test_events_want_chapas_reference(client: ChapaClient, sandbox: RunningSandbox) -> None:
    paid(client, sandbox)

    answer = ask(sandbox, "transaction/events/gz-1")

    assert answer.status_code == 404
    assert answer.json() == {"message": "Transaction not found", "status": "failed", "data": None}


def test_balances_follow_the_money(client: ChapaClient, sandbox: RunningSandbox) -> None:
    def available() -> list[Decimal]:
        data = ask(sandbox, "balances/ETB").json()["data"]
        names = ("available_balance", "ledger_balance")
        return [Decimal(str(each[name])) - 1_000_000 for each in data for name in names]

    transaction = paid(client, sandbox)
    assert available() == [Decimal("1206.73"), Decimal("1206.73")]
    refund = sandbox.chapa.order_refund(transaction, amount=Decimal(200))
    assert available() == [Decimal("1006.73"), Decimal("1206.73")]
    sandbox.chapa.settle_refund(refund, RefundState.REFUNDED)
    assert available() == [Decimal("1006.73"), Decimal("1006.73")]
    sandbox.chapa.refund(transaction)
    assert available() == [Decimal("-43.77"), Decimal("-43.77")]


def test_there_is_a_balance_for_each_currency(sandbox: RunningSandbox) -> None:
    every = ask(sandbox, "balances").json()["data"]

    assert [each["currency"] for each in every] == ["ETB", "USD"]
    assert ask(sandbox, "balances/XYZ").status_code == 400


def test_a_refund_beyond_the_balance_is_refused(
    client: ChapaClient, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = paid(client, sandbox)
    poor = replace(sandbox.chapa.config, opening_balance=Decimal(0))
    monkeypatch.setattr(sandbox.chapa, "config", poor)
    sandbox.faults.set({"test_refunds": "on"})

    answer = requests.post(
        f"{sandbox.base_url}/refund/{transaction.reference}",
        headers={"Authorization": f"Bearer {TEST_KEY}"},
        timeout=5,
    )

    assert (answer.status_code, answer.json()["message"]) == (400, "Insufficient Balance")


@pytest.mark.parametrize("path", ["transactions", "transaction/events/AP1", "balances"])
def test_lists_need_a_key_take_no_body_and_know_trouble(sandbox: RunningSandbox, path: str) -> None:
    assert ask(sandbox, path, headers={}).status_code == 401
    assert ask(sandbox, path, data=b"{}").headers["Content-Type"].startswith("text/html")
    kind = "events" if "events" in path else path
    sandbox.faults.set({kind: "500"})
    assert ask(sandbox, path).status_code == 500
