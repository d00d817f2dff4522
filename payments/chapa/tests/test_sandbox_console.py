"""The local Chapa's control page, used as a browser without scripts would."""

import re
from collections.abc import Iterator

import pytest
import requests

from payments.chapa.sandbox.faults import CHOICES
from payments.chapa.tests.sandbox_account import DELAY_S, RETRY_S, Account, running_account


@pytest.fixture(scope="module")
def running() -> Iterator[Account]:
    with running_account() as account:
        yield account


@pytest.fixture
def account(running: Account) -> Account:
    return running.as_new()


def look(account: Account, path: str = "/") -> str:
    page = requests.get(account.chapa.origin + path, timeout=5)
    assert page.status_code == 200
    return page.text


def press(account: Account, path: str, **form: object) -> requests.Response:
    """Send a form and follow where it leads."""
    return requests.post(account.chapa.origin + path, data=form, timeout=5)


def form_of(page: str) -> dict[str, str]:
    """Return what the form of switches would send as it stands on the page."""
    sent = dict(re.findall(r'<input name="(\w+)" inputmode="\w+" value="([^"]*)"', page))
    for name, options in re.findall(r'<select name="(\w+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r"<option selected>(\w+)", options)
        sent[name] = chosen[1] if chosen else ""
    return sent


def test_every_attempt_to_tell_guzo_is_shown(account: Account) -> None:
    account.receiver.statuses = [503]
    account.chapa.faults.set({"webhook": "escaped"})
    account.paid()
    account.pass_time(0)
    account.chapa.faults.set({"webhook": "delay"})
    account.chapa.chapa.reverse(account.chapa.store.transactions()[0])

    for path in ("/", "/transactions/gz-1"):
        page = look(account, path)
        assert "charge.success" in page
        assert ">503<" in page
        assert "escaped" in page
    assert "To be sent: webhook, try 2" in page
    account.pass_time(DELAY_S)
    assert "charge.reversed" in look(account, "/transactions/gz-1")


def test_tries_of_one_webhook_are_told_from_webhooks_of_their_own(account: Account) -> None:
    account.receiver.statuses = [503]
    account.paid()
    account.pass_time(0)
    account.pass_time(RETRY_S)
    assert "<summary>webhook 200 (2 tries)</summary>" in look(account)

    press(account, "/transactions/gz-1/webhook")
    assert "<summary>2 webhooks 200 (3 tries)</summary>" in look(account)
    requests.post(
        f"{account.chapa.origin}/control/transactions/gz-1/webhook", json={"times": 2}, timeout=5
    )
    assert "<summary>4 webhooks 200 (5 tries)</summary>" in look(account)


@pytest.mark.parametrize(
    "path",
    ["/nowhere", "/transactions/gz-9", f"/checkout/payment/{'x' * 45}", "/payment-receipt/APx"],
)
def test_a_page_that_is_not_there_looks_like_the_others_and_leads_back(
    account: Account, path: str
) -> None:
    page = requests.get(account.chapa.origin + path, timeout=5)

    assert page.status_code == 404
    assert "<h1>Not Found</h1>" in page.text
    assert "All transactions" in page.text


def test_the_form_of_switches_changes_nothing_as_it_stands(account: Account) -> None:
    account.chapa.faults.set({"verify": "429 later", "amount": "12.50", "latency_s": 0.0})
    before = account.chapa.faults.now
    sent = form_of(look(account)) | {"verify": "429 later"}

    assert set(CHOICES) <= set(sent)
    assert press(account, "/switches", **sent).status_code == 200
    assert account.chapa.faults.now == before


def test_switches_are_turned_and_put_back(account: Account) -> None:
    sent = form_of(look(account)) | {"verify": "404", "amount": "7"}
    press(account, "/switches", **sent)
    assert account.chapa.faults.now.verify == "404"
    assert str(account.chapa.faults.now.amount) == "7"

    press(account, "/switches/clear")
    assert account.chapa.faults.now.verify == "ok"


def test_a_transaction_has_switches_of_its_own(account: Account) -> None:
    account.paid()
    account.chapa.faults.set({"cancel": "500"})
    sent = form_of(look(account, "/transactions/gz-1"))
    press(account, "/transactions/gz-1/switches", **sent | {"verify": "404"})

    assert account.chapa.faults.own("gz-1") == {"verify": "404"}
    assert account.chapa.faults.of("gz-1").cancel == "500"
    press(account, "/transactions/gz-1/switches", **sent)
    assert account.chapa.faults.own("gz-1") == {}


def test_trouble_is_left_to_chance(account: Account) -> None:
    page = press(account, "/switches/chance", seed="7", rate="0.5", kinds=["verify", "webhook"])

    assert "seed 7, rate 0.5, of verify, webhook" in page.text
    chance = account.chapa.faults.chance
    assert chance is not None
    assert (chance.seed, chance.rate, chance.kinds) == (7, 0.5, ("verify", "webhook"))


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/switches", {"verify": "501"}),
        ("/switches", {"latency_s": "long"}),
        ("/switches", {"amount": "much"}),
        ("/switches/chance", {"seed": "x", "rate": "0.5"}),
        ("/switches/chance", {"seed": "1", "rate": "2"}),
    ],
)
def test_what_makes_no_sense_is_said_so(account: Account, path: str, form: dict[str, str]) -> None:
    before = account.chapa.faults.now
    answer = press(account, path, **form)

    assert answer.status_code == 400
    assert "That did not go" in answer.text
    assert account.chapa.faults.now == before


def test_the_buttons_of_a_transaction(account: Account) -> None:
    fields = {"amount": "100", "currency": "ETB", "tx_ref": "gz-1"}
    account.ask("POST", "transaction/initialize", json=fields)
    assert press(account, "/transactions/gz-1/webhook").status_code == 409
    assert press(account, "/transactions/gz-1/decline").ok
    assert press(account, "/transactions/gz-1/pay").ok
    assert account.status() == "success"
    assert press(account, "/transactions/gz-1/pay").status_code == 409
    assert press(account, "/transactions/gz-1/webhook").ok
    assert len(account.receiver.webhooks()) == 1
    assert press(account, "/transactions/gz-1/reverse").ok
    assert account.status() == "reversed"
    assert press(account, "/transactions/gz-9/pay").status_code == 404


def test_a_refund_is_ended_by_hand(account: Account) -> None:
    ref_id = account.refund(account.paid()).json()["data"]["ref_id"]

    assert ref_id in look(account, "/transactions/gz-1")
    assert press(account, f"/refunds/{ref_id}/refunded").ok
    assert press(account, f"/refunds/{ref_id}/refunded").status_code == 409
    assert account.status() == "refunded"


def test_what_a_merchant_or_a_person_wrote_is_text(account: Account) -> None:
    fields = {"amount": "1", "currency": "ETB", "tx_ref": "<b>gz", "first_name": "<i>x"}
    assert account.ask("POST", "transaction/initialize", json=fields).ok

    assert "<b>gz" not in look(account)
    assert "&lt;b&gt;gz" in look(account)
