"""What the local Chapa sends to a real receiver."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from payments.chapa.client import ChapaClient
from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.server import RunningSandbox, running_sandbox
from payments.chapa.sandbox.transactions import Transaction
from payments.chapa.signature import matching_secret, sign
from payments.chapa.tests.cast import HASH, TEST_KEY, a_checkout, captured, wait_until
from payments.chapa.tests.conftest import MakeClient
from payments.chapa.tests.servers import Receiver

DOCUMENTED = json.loads(captured("webhook_documented"))


@pytest.fixture
def transaction(client: ChapaClient, sandbox: RunningSandbox, receiver: Receiver) -> Transaction:
    client.initialize(a_checkout(callback_url=f"{receiver.origin}/callbacks/chapa?from=chapa"))
    opened = sandbox.store.find("gz-1")
    assert opened is not None
    return opened


def post(sandbox: RunningSandbox, path: str, body: object = None) -> requests.Response:
    return requests.post(f"{sandbox.origin}/control/{path}", json=body, timeout=5)


def test_a_payment_is_told_by_a_signed_webhook(
    sandbox: RunningSandbox, transaction: Transaction, receiver: Receiver
) -> None:
    paid = sandbox.chapa.pay(transaction)
    wait_until(lambda: bool(receiver.webhooks()))

    webhook = receiver.webhooks()[0]
    assert webhook.path == "/webhooks/chapa"
    assert webhook.headers["content-type"] == "application/json"
    assert matching_secret(webhook.body, webhook.headers["x-chapa-signature"], [HASH]) == 0
    assert webhook.headers["chapa-signature"] == sign(HASH.encode(), HASH)
    told = json.loads(webhook.body)
    assert set(told) == set(DOCUMENTED) | {"failure_reason"}
    assert (told["event"], told["status"]) == ("charge.success", "success")
    assert (told["amount"], told["charge"]) == ("1250.50", "43.77")
    assert (told["tx_ref"], told["reference"]) == ("gz-1", paid.reference)
    assert webhook.body == json.dumps(told, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("moves", "event", "status"),
    [
        (["decline"], "charge.failed/cancelled", "failed/cancelled"),
        (["pay", "reverse"], "charge.reversed", "reversed"),
        (["pay", "refund"], "charge.refunded", "refunded"),
    ],
)
def test_every_outcome_has_its_event(
    sandbox: RunningSandbox,
    transaction: Transaction,
    receiver: Receiver,
    moves: list[str],
    event: str,
    status: str,
) -> None:
    for number, move in enumerate(moves, start=1):
        assert post(sandbox, f"transactions/{transaction.tx_ref}/{move}").status_code == 200
        wait_until(lambda so_far=number: len(receiver.webhooks()) == so_far)  # type: ignore[misc]

    told = json.loads(receiver.webhooks()[-1].body)
    assert (told["event"], told["status"]) == (event, status)


def test_a_webhook_is_repeated_until_it_is_answered_200(
    sandbox: RunningSandbox, transaction: Transaction, receiver: Receiver
) -> None:
    receiver.statuses = [500, 204, 302]
    sandbox.chapa.pay(transaction)
    wait_until(lambda: len(receiver.webhooks()) == 4)
    wait_until(lambda: len(webhook_attempts(sandbox)) == 4)

    assert webhook_attempts(sandbox) == [(1, 500), (2, 204), (3, 302), (4, 200)]
    assert len({webhook.body for webhook in receiver.webhooks()}) == 1


def webhook_attempts(sandbox: RunningSandbox) -> list[tuple[int, int | None]]:
    attempts = sandbox.store.attempts("gz-1")
    return [(each.number, each.http_status) for each in attempts if each.kind == "webhook"]


def test_a_webhook_is_given_up_after_ten_attempts(
    sandbox: RunningSandbox, transaction: Transaction, receiver: Receiver
) -> None:
    receiver.statuses = [500] * 20
    sandbox.chapa.pay(transaction)
    wait_until(lambda: len(webhook_attempts(sandbox)) == 10)

    assert webhook_attempts(sandbox)[-1] == (10, 500)


def test_an_attempt_that_reaches_nobody_is_recorded(make_client: MakeClient) -> None:
    config = SandboxConfig(
        secret_keys=(TEST_KEY,),
        webhook_secrets=(HASH,),
        webhook_url="http://127.0.0.1:9/",
        retry_s=60,
    )
    with running_sandbox(config) as sandbox:
        make_client(sandbox.base_url).initialize(a_checkout())
        post(sandbox, "transactions/gz-1/pay")
        wait_until(lambda: bool(sandbox.store.attempts("gz-1")))

        attempt = sandbox.store.attempts("gz-1")[0]
        assert (attempt.http_status, attempt.problem) == (None, "ConnectionError")


@pytest.mark.parametrize(("move", "status"), [("pay", "success"), ("decline", "failed")])
def test_the_callback_is_an_unsigned_get_with_chapas_spelling(
    sandbox: RunningSandbox,
    transaction: Transaction,
    receiver: Receiver,
    move: str,
    status: str,
) -> None:
    changed = getattr(sandbox.chapa, move)(transaction)
    wait_until(lambda: bool(receiver.callbacks()))

    called = urlsplit(receiver.callbacks()[0].path)
    assert called.path == "/callbacks/chapa"
    assert parse_qs(called.query) == {
        "from": ["chapa"],
        "trx_ref": ["gz-1"],
        "ref_id": [changed.reference],
        "status": [status],
    }
    assert "x-chapa-signature" not in receiver.callbacks()[0].headers


def test_webhooks_and_callbacks_can_be_switched_off(
    sandbox: RunningSandbox, transaction: Transaction, receiver: Receiver
) -> None:
    post(sandbox, "faults", {"webhook": "off", "callback": "off"})
    sandbox.chapa.decline(transaction)
    post(sandbox, "faults", {"webhook": "on"})
    sandbox.chapa.pay(transaction)
    wait_until(lambda: bool(receiver.received))

    assert [json.loads(each.body)["event"] for each in receiver.received] == ["charge.success"]


def test_a_claimed_amount_is_told_too(
    sandbox: RunningSandbox, transaction: Transaction, receiver: Receiver
) -> None:
    sandbox.faults.set({"amount": "7"})
    sandbox.chapa.pay(transaction)
    wait_until(lambda: bool(receiver.webhooks()))

    assert json.loads(receiver.webhooks()[0].body)["amount"] == "7.00"


@pytest.mark.parametrize("concurrent", [False, True])
def test_the_present_webhook_can_be_sent_many_times(
    sandbox: RunningSandbox, transaction: Transaction, receiver: Receiver, concurrent: bool
) -> None:
    post(sandbox, "faults", {"webhook": "off"})
    sandbox.chapa.pay(transaction)
    receiver.statuses = [401]

    answer = post(sandbox, "transactions/gz-1/webhook", {"times": 12, "concurrent": concurrent})

    assert sorted(answer.json()["statuses"]) == [*[200] * 11, 401]
    assert len(receiver.webhooks()) == 12
    assert len({webhook.body for webhook in receiver.webhooks()}) == 1


def test_names_of_any_script_keep_the_signature_right(
    client: ChapaClient, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    client.initialize(a_checkout(first_name="ሀና", last_name="\ud800", meta={"page": "https://g/ና"}))
    post(sandbox, "transactions/gz-1/pay")
    wait_until(lambda: bool(receiver.webhooks()))

    webhook = receiver.webhooks()[0]
    assert matching_secret(webhook.body, webhook.headers["x-chapa-signature"], [HASH]) == 0
    assert json.loads(webhook.body)["first_name"] == "ሀና"


def test_behind_another_address_webhook_and_callback_go_there(
    receiver: Receiver, make_client: MakeClient
) -> None:
    config = SandboxConfig(
        secret_keys=(TEST_KEY,),
        webhook_secrets=(HASH,),
        public_url="https://guzo.test",
        webhook_url=f"{receiver.origin}/inside",
    )
    with running_sandbox(config) as sandbox:
        checkout = a_checkout(callback_url="https://guzo.test/callbacks/chapa")
        make_client(sandbox.base_url).initialize(checkout)
        post(sandbox, "transactions/gz-1/pay")
        wait_until(lambda: len(receiver.received) == 2)

    assert receiver.webhooks()[0].path == "/inside"
    assert receiver.callbacks()[0].path.startswith("/callbacks/chapa?trx_ref=gz-1")


def test_an_account_with_custom_webhooks_signs_in_the_other_header_only(
    receiver: Receiver, make_client: MakeClient
) -> None:
    config = SandboxConfig(
        secret_keys=(TEST_KEY,),
        webhook_secrets=(HASH,),
        public_url=receiver.origin,
        signature_header="chapa-signature",
    )
    with running_sandbox(config) as sandbox:
        make_client(sandbox.base_url).initialize(a_checkout())
        post(sandbox, "transactions/gz-1/pay")
        wait_until(lambda: bool(receiver.webhooks()))

    (webhook,) = receiver.webhooks()
    assert matching_secret(webhook.body, webhook.headers["chapa-signature"], [HASH]) == 0
    assert "x-chapa-signature" not in webhook.headers
