"""Every trouble that the local Chapa can make of a payment and its webhooks, with time held."""

import json
from collections.abc import Iterator

import pytest
import requests

from payments.chapa.sandbox.transactions import Transaction
from payments.chapa.signature import constant_of, matching_secret
from payments.chapa.tests.cast import HASH
from payments.chapa.tests.sandbox_account import (
    BEGAN,
    DELAY_S,
    RETRY_S,
    Account,
    running_account,
)
from payments.chapa.tests.servers import Received


@pytest.fixture(scope="module")
def running() -> Iterator[Account]:
    with running_account() as account:
        yield account


@pytest.fixture
def account(running: Account) -> Account:
    return running.as_new()


def control(account: Account, method: str, path: str, body: object = None) -> requests.Response:
    return requests.request(method, f"{account.chapa.origin}/control/{path}", json=body, timeout=5)


def events(account: Account) -> list[str]:
    return [str(json.loads(each.body)["event"]) for each in account.receiver.webhooks()]


def is_signed(webhook: Received) -> bool:
    return matching_secret(webhook.body, webhook.headers["x-chapa-signature"], [HASH]) == 0


def test_where_time_is_held_nothing_is_sent_by_itself(account: Account) -> None:
    account.paid()

    assert account.receiver.received == []
    assert account.chapa.chapa.next_due_at() == BEGAN
    account.pass_time(0)
    assert events(account) == ["charge.success"]
    assert account.chapa.chapa.next_due_at() is None


def test_where_time_is_held_webhooks_are_repeated_by_the_clock(account: Account) -> None:
    account.receiver.statuses = [500] * 20
    account.paid()
    account.pass_time(0)
    account.pass_time(RETRY_S - 1)
    assert len(account.receiver.webhooks()) == 1
    account.pass_time(1)
    assert len(account.receiver.webhooks()) == 2

    for _ in range(20):
        account.pass_time(RETRY_S)

    assert [each.number for each in account.chapa.store.attempts("gz-1")] == list(range(1, 11))


def test_a_dropped_webhook_never_comes_and_is_seen_to(account: Account) -> None:
    account.chapa.faults.set({"webhook": "drop"})
    account.paid()
    account.pass_time(DELAY_S * 10)

    assert account.receiver.webhooks() == []
    [attempt] = account.chapa.store.attempts("gz-1")
    assert (attempt.http_status, attempt.problem) == (None, "dropped")


def test_a_delayed_webhook_comes_later(account: Account) -> None:
    account.chapa.faults.set({"webhook": "delay"})
    account.paid()
    account.pass_time(DELAY_S - 1)
    assert events(account) == []
    account.pass_time(1)

    assert events(account) == ["charge.success"]


def test_a_doubled_webhook_comes_twice(account: Account) -> None:
    account.chapa.faults.set({"webhook": "duplicate"})
    account.paid()
    account.pass_time(0)

    assert events(account) == ["charge.success"] * 2


def test_a_later_webhook_overtakes_one_out_of_order(account: Account) -> None:
    account.chapa.faults.set({"webhook": "reorder"})
    payment = account.paid()
    account.pass_time(1)
    account.chapa.faults.clear()
    account.chapa.chapa.reverse(payment)
    account.pass_time(0)

    assert events(account) == ["charge.reversed", "charge.success"]


def test_one_out_of_order_that_nothing_overtakes_comes_all_the_same(account: Account) -> None:
    account.chapa.faults.set({"webhook": "reorder"})
    account.paid()
    account.pass_time(DELAY_S)

    assert events(account) == ["charge.success"]


def test_a_forged_webhook_is_signed_with_another_secret(account: Account) -> None:
    account.chapa.faults.set({"webhook": "forge"})
    account.paid()
    account.pass_time(0)

    assert not is_signed(account.receiver.webhooks()[0])


def test_a_webhook_may_carry_the_constant_alone(account: Account) -> None:
    account.chapa.faults.set({"webhook": "constant"})
    account.paid()
    account.pass_time(0)

    [webhook] = account.receiver.webhooks()
    assert webhook.headers["chapa-signature"] == constant_of(HASH)
    assert "x-chapa-signature" not in webhook.headers


def test_a_body_written_as_php_does_is_signed_as_it_is(account: Account) -> None:
    account.chapa.faults.set({"webhook": "escaped"})
    fields = {"amount": "10", "currency": "ETB", "tx_ref": "gz-1", "first_name": "ሀና"}
    account.ask("POST", "transaction/initialize", json=fields | {"meta": {"page": "https://g/"}})
    control(account, "POST", "transactions/gz-1/pay")
    account.pass_time(0)

    [webhook] = account.receiver.webhooks()
    assert b"https:\\/\\/g\\/" in webhook.body
    assert webhook.body.isascii()
    assert json.loads(webhook.body)["meta"] == {"page": "https://g/"}
    assert is_signed(webhook)


@pytest.mark.parametrize(
    ("claim", "name", "value"),
    [
        ("gross", "amount", 103.5),
        ("amount", "amount", 50),
        ("currency", "currency", "USD"),
        ("mode", "mode", "test"),
        ("tx_ref", "tx_ref", "gz-1-other"),
    ],
)
def test_something_else_can_be_claimed_in_verify_and_webhook(
    account: Account, claim: str, name: str, value: object
) -> None:
    account.chapa.faults.set({"claim": claim})
    account.paid()
    account.pass_time(0)

    assert account.ask("GET", "transaction/verify/gz-1").json()["data"][name] == value
    told = json.loads(account.receiver.webhooks()[0].body)
    assert told[name] == (f"{value:.2f}" if name == "amount" else value)
    account.chapa.faults.clear()
    assert account.ask("GET", "transaction/verify/gz-1").json()["data"][name] != value


def test_texts_may_be_empty_where_others_are_null(account: Account) -> None:
    payment = account.paid()
    assert account.ask("GET", "transaction/verify/gz-1").json()["data"]["email"] is None
    account.chapa.faults.set({"claim": "empty"})

    data = account.ask("GET", f"transaction/verify/{payment.tx_ref}").json()["data"]
    assert (data["email"], data["customization"]["title"]) == ("", "")


@pytest.mark.parametrize(
    ("fault", "good"), [("", True), ("escaped", True), ("forge", False), ("constant", False)]
)
def test_a_webhook_sent_again_by_hand_may_be_wrong(
    account: Account, fault: str, good: bool
) -> None:
    account.chapa.faults.set({"webhook": "off"})
    account.paid()
    control(account, "POST", "transactions/gz-1/webhook", {"fault": fault})

    [webhook] = account.receiver.webhooks()
    assert ("x-chapa-signature" in webhook.headers and is_signed(webhook)) is good


def test_an_account_may_not_be_activated(account: Account) -> None:
    account.chapa.faults.set({"verify": "inactive"})

    answer = account.ask("GET", "transaction/verify/gz-1")

    assert answer.status_code == 401
    assert "ensure the account is active" in answer.json()["message"]


def test_clients_on_telephones_open_a_checkout_too(account: Account) -> None:
    fields = {"amount": "10", "currency": "ETB", "tx_ref": "gz-1"}

    assert account.ask("POST", "transaction/mobile-initialize", json=fields).ok


def opened(account: Account) -> Transaction:
    fields = {"amount": "100", "currency": "ETB", "tx_ref": "gz-1"}
    account.ask("POST", "transaction/initialize", json=fields)
    found = account.chapa.store.find("gz-1")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("course", "at_first", "told"),
    [
        ("fail_first", "failed", ["charge.failed/cancelled", "charge.success"]),
        ("late", "pending", ["charge.success"]),
    ],
)
def test_a_payment_may_come_late_even_over_a_dead_link(
    account: Account, course: str, at_first: str, told: list[str]
) -> None:
    account.chapa.faults.set({"payment": course})
    payment = opened(account)
    page = account.chapa.chapa.checkout_url(payment)
    requests.post(f"{page}/pay", data={"phone_number": "0900123456"}, timeout=5)

    assert "being processed" in requests.get(page, timeout=5).text
    assert account.ask("PUT", "transaction/cancel/gz-1").ok
    account.pass_time(DELAY_S - 1)
    assert account.status() == at_first
    account.pass_time(1)
    assert account.status() == "success"
    assert events(account) == told


def test_a_switch_may_be_turned_for_one_transaction_alone(account: Account) -> None:
    answer = control(account, "POST", "transactions/gz-1/faults", {"verify": "404"})
    account.paid("gz-1")
    account.paid("gz-2")

    assert answer.json()["verify"] == "404"
    assert account.ask("GET", "transaction/verify/gz-1").status_code == 404
    assert account.ask("GET", "transaction/verify/gz-2").status_code == 200
    control(account, "POST", "faults", {"cancel": "500"})
    assert control(account, "GET", "transactions/gz-1/faults").json()["cancel"] == "500"
    assert control(account, "DELETE", "transactions/gz-1/faults").json()["verify"] == "ok"
    assert account.ask("GET", "transaction/verify/gz-1").status_code == 200


def answers(account: Account, number: int = 40) -> list[object]:
    seen: list[object] = []
    for _ in range(number):
        try:
            seen.append(account.ask("GET", "transaction/verify/gz-1").status_code)
        except requests.ConnectionError:
            seen.append("nothing")
    return seen


def test_the_same_seed_makes_the_same_trouble(account: Account) -> None:
    account.paid()
    runs = []
    for seed in (7, 7, 8):
        body = {"seed": seed, "rate": 0.5, "kinds": ["verify"]}
        assert control(account, "POST", "chance", body).json() == body
        runs.append(answers(account))

    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    assert 5 < sum(each != 200 for each in runs[0]) < 35


def test_the_rate_says_how_much_goes_wrong(account: Account) -> None:
    account.paid()
    control(account, "POST", "chance", {"seed": 7, "rate": 0})
    assert answers(account, 10) == [200] * 10
    control(account, "POST", "chance", {"seed": 7, "rate": 1, "kinds": ["transactions"]})
    assert answers(account, 10) == [200] * 10
    assert account.chapa.faults.choose("transactions", "*") != "ok"


def test_a_switch_that_is_turned_is_not_left_to_chance(account: Account) -> None:
    account.paid()
    account.chapa.faults.set({"verify": "404"})
    control(account, "POST", "chance", {"seed": 7, "rate": 1})

    assert answers(account, 10) == [404] * 10
    assert control(account, "DELETE", "chance").json() is None
    assert control(account, "GET", "chance").json() is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"seed": 7},
        {"seed": "7", "rate": 0.5},
        {"seed": True, "rate": 0.5},
        {"seed": 7, "rate": 1.5},
        {"seed": 7, "rate": "much"},
        {"seed": 7, "rate": 0.5, "kinds": ["verfy"]},
        {"seed": 7, "rate": 0.5, "kinds": "verify"},
        {"seed": 7, "rate": 0.5, "sort": 1},
    ],
)
def test_a_senseless_chance_is_refused(account: Account, body: object) -> None:
    assert control(account, "POST", "chance", body).status_code == 400
    assert account.chapa.faults.chance is None
