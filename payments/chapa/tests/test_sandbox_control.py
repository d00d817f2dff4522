import pytest
import requests

from payments.chapa.client import ChapaClient
from payments.chapa.sandbox.server import RunningSandbox
from payments.chapa.tests.cast import a_checkout, wait_until
from payments.chapa.wire import Opening


def control(
    sandbox: RunningSandbox, method: str, path: str, body: object = None
) -> requests.Response:
    return requests.request(method, f"{sandbox.origin}/control/{path}", json=body, timeout=5)


def test_transactions_are_listed_with_calls_and_deliveries(
    client: ChapaClient, sandbox: RunningSandbox
) -> None:
    opened = client.initialize(a_checkout())
    client.verify("gz-1")
    control(sandbox, "POST", "transactions/gz-1/pay")
    wait_until(lambda: bool(sandbox.store.attempts("gz-1")))

    [shown] = control(sandbox, "GET", "transactions").json()

    assert shown == control(sandbox, "GET", "transactions/gz-1").json()
    assert (shown["tx_ref"], shown["mode"], shown["status"]) == ("gz-1", "test", "success")
    assert (shown["amount"], shown["currency"]) == ("1250.50", "ETB")
    assert shown["checkout_url"] == opened.checkout_url
    assert shown["calls"] == {"initialize": 1, "verify": 1, "cancel": 0}
    [delivery] = shown["deliveries"]
    assert (delivery["kind"], delivery["event"]) == ("webhook", "charge.success")
    assert (delivery["number"], delivery["http_status"]) == (1, 200)


def test_calls_about_references_that_were_never_opened_are_listed(
    client: ChapaClient, sandbox: RunningSandbox
) -> None:
    client.verify("gz-2")

    counted = control(sandbox, "GET", "calls").json()
    assert counted == {"gz-2": {"initialize": 0, "verify": 1, "cancel": 0}}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "nowhere", 404), ("POST", "transactions/gz-1/nope", 404), ("PUT", "faults", 405)],
)
def test_a_call_that_leads_nowhere_is_refused_like_any_other(
    sandbox: RunningSandbox, method: str, path: str, status: int
) -> None:
    answer = control(sandbox, method, path)

    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    elsewhere = requests.get(f"{sandbox.origin}/nowhere", timeout=5)
    assert (elsewhere.status_code, elsewhere.headers["Content-Type"][:9]) == (404, "text/html")


@pytest.mark.parametrize("move", ["reverse", "refund", "webhook"])
def test_what_cannot_happen_to_a_pending_transaction_is_a_conflict(
    client: ChapaClient, sandbox: RunningSandbox, move: str
) -> None:
    client.initialize(a_checkout())

    answer = control(sandbox, "POST", f"transactions/gz-1/{move}")

    assert answer.status_code == 409
    assert answer.json()["error"]


def test_money_arrives_once(client: ChapaClient, sandbox: RunningSandbox) -> None:
    client.initialize(a_checkout())

    assert control(sandbox, "POST", "transactions/gz-1/pay").status_code == 200
    assert control(sandbox, "POST", "transactions/gz-1/pay").status_code == 409


@pytest.mark.parametrize("move", ["pay", "webhook", "nonsense"])
def test_an_unknown_transaction_is_404(sandbox: RunningSandbox, move: str) -> None:
    answer = control(sandbox, "POST", f"transactions/gz-1/{move}")

    assert answer.status_code == 404


@pytest.mark.parametrize(
    "body",
    [{"times": 0}, {"times": 201}, {"times": "many"}, {"times": True}, {"fault": "drop"}, [], "x"],
)
def test_a_senseless_number_of_webhooks_is_refused(
    client: ChapaClient, sandbox: RunningSandbox, body: object
) -> None:
    client.initialize(a_checkout())
    control(sandbox, "POST", "transactions/gz-1/pay")

    assert control(sandbox, "POST", "transactions/gz-1/webhook", body).status_code == 400


def test_faults_are_set_one_by_one_and_cleared_together(sandbox: RunningSandbox) -> None:
    at_rest = control(sandbox, "GET", "faults").json()
    control(sandbox, "POST", "faults", {"verify": "500", "latency_s": 0.25})
    answer = control(sandbox, "POST", "faults", {"amount": "1.50"})

    assert at_rest == {
        "webhook": "on",
        "callback": "on",
        "payment": "ok",
        "claim": "ok",
        "initialize": "ok",
        "verify": "ok",
        "cancel": "ok",
        "refund": "ok",
        "verify_refund": "ok",
        "transactions": "ok",
        "events": "ok",
        "balances": "ok",
        "refund_end": "refunded",
        "test_refunds": "off",
        "effect": "off",
        "latency_s": 0.0,
        "amount": None,
    }
    assert answer.json() == at_rest | {"verify": "500", "latency_s": 0.25, "amount": "1.50"}
    assert control(sandbox, "DELETE", "faults").json() == at_rest


@pytest.mark.parametrize(
    "body",
    [
        {"vrify": "500"},
        {"verify": "501"},
        {"verify": "ok", "webhook": True},
        {"initialize": ["500"]},
        {"latency_s": -1},
        {"latency_s": "1"},
        {"latency_s": True},
        {"latency_s": 1e9},
        {"amount": "ten"},
        {"amount": "NaN"},
        {"amount": "1e99"},
        [],
    ],
)
def test_a_fault_that_does_not_exist_is_refused_and_nothing_changes(
    sandbox: RunningSandbox, body: object
) -> None:
    before = sandbox.faults.now

    assert control(sandbox, "POST", "faults", body).status_code == 400
    assert sandbox.faults.now == before


def test_it_can_be_made_as_new(client: ChapaClient, sandbox: RunningSandbox) -> None:
    client.initialize(a_checkout())
    control(sandbox, "POST", "faults", {"verify": "500"})

    assert control(sandbox, "DELETE", "transactions").json() == []
    assert control(sandbox, "GET", "calls").json() == {}
    assert control(sandbox, "GET", "faults").json()["verify"] == "ok"
    assert client.initialize(a_checkout()).opening is Opening.OPENED


def test_it_says_that_it_is_alive(sandbox: RunningSandbox) -> None:
    answer = requests.get(f"{sandbox.origin}/healthz", timeout=5)

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
