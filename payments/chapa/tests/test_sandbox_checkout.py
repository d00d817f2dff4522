"""The checkout page, used as a browser without scripts would."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import requests

from payments.chapa.client import ChapaClient
from payments.chapa.sandbox.cards import TEST_CARDS, Card
from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.paying import PAYING_NUMBERS
from payments.chapa.sandbox.server import RunningSandbox, running_sandbox
from payments.chapa.tests.cast import HASH, TEST_KEY, a_checkout, wait_until
from payments.chapa.tests.conftest import MakeClient
from payments.chapa.tests.servers import Receiver
from payments.chapa.wire import Closing, Outcome

VISA = TEST_CARDS["Visa"]


def open_page(client: ChapaClient, *, return_url: str = "https://guzo.test/return/k") -> str:
    url = client.initialize(a_checkout(return_url=return_url)).checkout_url
    assert url is not None
    return url


def press(url: str, button: str, phone_number: str = PAYING_NUMBERS[0]) -> requests.Response:
    """Press a button of the page and stay where it leads."""
    form = {"phone_number": phone_number} if button == "pay" else {}
    return requests.post(f"{url}/{button}", data=form, timeout=5, allow_redirects=False)


def press_card(url: str, card: Card) -> requests.Response:
    form = {"method": "card", "card_number": card.number, "expiry": card.expiry, "cvv": card.cvv}
    return requests.post(f"{url}/pay", data=form, timeout=5, allow_redirects=False)


def text_of(url: str) -> str:
    page = requests.get(url, timeout=5)
    assert page.status_code == 200
    return page.text


def test_the_page_shows_what_is_to_be_paid(client: ChapaClient) -> None:
    page = text_of(open_page(client))

    assert "Guzo" in page
    assert "Two nights in Lalibela" in page
    assert "1,250.50" in page
    assert "gz-1" in page
    assert 'value="0900123456"' in page


def test_what_the_merchant_wrote_is_text_on_the_page(
    client: ChapaClient, sandbox: RunningSandbox
) -> None:
    url = open_page(client)
    transaction = sandbox.store.find("gz-1")
    assert transaction is not None
    sandbox.store.change(transaction, lambda newest: replace(newest, title="<script>x</script>"))

    assert "<script>" not in text_of(url)


@pytest.mark.parametrize("number", PAYING_NUMBERS)
def test_a_test_number_pays_and_leads_back(client: ChapaClient, number: str) -> None:
    url = open_page(client)

    answer = press(url, "pay", number)

    assert answer.status_code == 303
    assert answer.headers["Location"] == "https://guzo.test/return/k"
    assert client.verify("gz-1").outcome is Outcome.PAID


def test_a_payment_with_nowhere_to_return_ends_on_the_page(client: ChapaClient) -> None:
    url = open_page(client, return_url="")

    answer = press(url, "pay")

    assert answer.status_code == 303
    assert "has been made" in text_of(url)


@pytest.mark.parametrize(
    ("return_url", "location"),
    [
        ("https://guzo.test/r?a=1", "https://guzo.test/r?a=1"),
        ("https://guzo.test/r?a=1&b=2", "https://guzo.test/r?a=1&amp;b=2"),
    ],
)
def test_a_return_url_with_two_parameters_comes_back_damaged(
    client: ChapaClient, return_url: str, location: str
) -> None:
    answer = press(open_page(client, return_url=return_url), "pay")

    assert answer.headers["Location"] == location


@pytest.mark.parametrize("number", ["0911223344", "", "not a number"])
def test_any_other_number_fails_and_may_be_tried_again_on_the_same_link(
    client: ChapaClient, number: str
) -> None:
    url = open_page(client)

    assert press(url, "pay", number).headers["Location"] == url.removeprefix(url[: url.index("/c")])
    assert client.verify("gz-1").outcome is Outcome.FAILED
    assert "You can try again" in text_of(url)

    press(url, "pay")
    assert client.verify("gz-1").outcome is Outcome.PAID


def test_a_declined_payment_may_be_tried_again(client: ChapaClient) -> None:
    url = open_page(client)

    press(url, "decline")
    assert client.verify("gz-1").outcome is Outcome.CANCELLED

    press(url, "pay")
    assert client.verify("gz-1").outcome is Outcome.PAID


def test_whoever_leaves_leaves_it_pending(client: ChapaClient) -> None:
    url = open_page(client)

    answer = press(url, "leave")

    assert answer.status_code == 200
    assert "Location" not in answer.headers
    assert "without paying" in answer.text
    assert client.verify("gz-1").outcome is Outcome.PENDING


def test_a_cancelled_link_says_so_and_takes_no_money(client: ChapaClient) -> None:
    url = open_page(client)
    client.cancel("gz-1")

    assert "was cancelled" in text_of(url)
    assert press(url, "pay").status_code == 409
    assert press(url, "decline").status_code == 409
    assert client.verify("gz-1").outcome is Outcome.PENDING


def test_a_link_that_has_lived_its_time_takes_no_money(make_client: MakeClient) -> None:
    config = SandboxConfig(
        secret_keys=(TEST_KEY,), webhook_secrets=(HASH,), webhook=False, link_lifetime_s=0
    )
    with running_sandbox(config) as sandbox:
        url = open_page(make_client(sandbox.base_url, checkout_hosts=(sandbox.checkout_host,)))

        assert "has expired" in text_of(url)
        assert press(url, "pay").status_code == 409


def test_a_payment_may_fail_ten_times(client: ChapaClient) -> None:
    url = open_page(client)
    for _ in range(10):
        press(url, "pay", "0911223344")

    assert press(url, "pay").status_code == 409


def test_pressing_pay_twice_pays_once(client: ChapaClient, sandbox: RunningSandbox) -> None:
    url = open_page(client)
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: press(url, "pay").status_code, range(8)))

    transaction = sandbox.store.find("gz-1")
    assert transaction is not None
    assert sorted(statuses) == [303, *[409] * 7]
    assert transaction.attempts == 1


def test_of_paying_and_cancelling_at_once_one_wins(client: ChapaClient) -> None:
    for number in range(10):
        tx_ref = f"gz-{number}"
        url = client.initialize(a_checkout(tx_ref)).checkout_url or ""
        with ThreadPoolExecutor(2) as pool:
            paying = pool.submit(press, url, "pay")
            closing = pool.submit(client.cancel, tx_ref).result().closing

        if paying.result().status_code == 303:
            assert closing is Closing.REFUSED
        else:
            assert closing is Closing.CLOSED


def test_a_made_up_link_leads_nowhere(sandbox: RunningSandbox) -> None:
    url = f"{sandbox.origin}/checkout/payment/{'x' * 45}"

    assert requests.get(url, timeout=5).status_code == 404
    assert press(url, "pay").status_code == 404


def test_the_front_page_lists_the_transactions(
    client: ChapaClient, sandbox: RunningSandbox
) -> None:
    assert "None yet" in text_of(f"{sandbox.origin}/")

    url = open_page(client)
    page = text_of(f"{sandbox.origin}/")

    assert "gz-1" in page
    assert url.removeprefix(sandbox.origin) in page


def test_a_method_that_there_is_not_is_refused(client: ChapaClient) -> None:
    url = open_page(client)
    form = {"phone_number": "0900123456", "method": "nope"}

    assert requests.post(f"{url}/pay", data=form, timeout=5).status_code == 400
    assert client.verify("gz-1").outcome is Outcome.PENDING


@pytest.mark.parametrize(("code", "outcome"), [("12345", Outcome.PAID), ("54321", Outcome.FAILED)])
@pytest.mark.parametrize("method", ["awash_bank", "amole"])
def test_awash_and_amole_ask_for_a_code(
    client: ChapaClient, method: str, code: str, outcome: Outcome
) -> None:
    url = open_page(client)
    form = {"phone_number": "0900123456", "method": method}

    asked = requests.post(f"{url}/pay", data=form, timeout=5, allow_redirects=False)
    assert asked.status_code == 200
    assert f'value="{method}"' in asked.text
    assert client.verify("gz-1").outcome is Outcome.PENDING
    form["code"] = code
    requests.post(f"{url}/pay", data=form, timeout=5, allow_redirects=False)

    assert client.verify("gz-1").outcome is outcome
    assert client.verify("gz-1").method == method


@pytest.mark.parametrize(
    ("number", "method", "outcome"),
    [
        ("0900123456", "cbebirr", Outcome.PAID),
        ("0700123456", "mpesa", Outcome.PAID),
        ("0700123456", "telebirr", Outcome.FAILED),
        ("0900123456", "mpesa", Outcome.FAILED),
    ],
)
def test_each_method_has_numbers_of_its_own(
    client: ChapaClient, number: str, method: str, outcome: Outcome
) -> None:
    form = {"phone_number": number, "method": method}
    requests.post(f"{open_page(client)}/pay", data=form, timeout=5, allow_redirects=False)

    assert client.verify("gz-1").outcome is outcome


@pytest.mark.parametrize("name", TEST_CARDS)
def test_a_test_card_pays_and_leads_back(
    client: ChapaClient, receiver: Receiver, name: str
) -> None:
    answer = press_card(open_page(client), TEST_CARDS[name])

    assert answer.headers["Location"] == "https://guzo.test/return/k"
    assert client.verify("gz-1").outcome is Outcome.PAID
    assert client.verify("gz-1").method == "card"
    wait_until(lambda: bool(receiver.webhooks()))
    assert json.loads(receiver.webhooks()[0].body)["payment_method"] == "card"


@pytest.mark.parametrize(
    "card",
    [
        replace(VISA, number="4200 0000 0000 0000"),
        replace(VISA, number="4200-0000-0000-0000", expiry="1234"),
        replace(VISA, expiry=" 12 / 34 ", cvv=" 123 "),
    ],
)
def test_a_card_may_be_typed_as_people_do(client: ChapaClient, card: Card) -> None:
    press_card(open_page(client), card)

    assert client.verify("gz-1").outcome is Outcome.PAID


@pytest.mark.parametrize(
    "card",
    [
        replace(VISA, number="4200000000000042"),
        replace(VISA, expiry="12/33"),
        replace(VISA, cvv="1234"),
        replace(TEST_CARDS["Amex"], cvv="123"),
        Card("", "", ""),
    ],
)
def test_any_other_card_fails_and_may_be_tried_again_on_the_same_link(
    client: ChapaClient, card: Card
) -> None:
    url = open_page(client)

    answer = press_card(url, card)
    assert answer.headers["Location"].endswith("?by=card")
    assert client.verify("gz-1").outcome is Outcome.FAILED
    page = text_of(f"{url}?by=card")
    assert "You can try again" in page
    assert 'name="card_number"' in page

    press_card(url, VISA)
    assert client.verify("gz-1").outcome is Outcome.PAID


@pytest.mark.parametrize(
    ("query", "filled_in"),
    [
        ("number=0700112233", 'value="0700112233"'),
        ("by=card", 'value="4200 0000 0000 0000"'),
        ("by=card&number=3700000000000000", 'value="1234"'),
        ("by=card&number=<b>", 'value="4200 0000 0000 0000"'),
        ("number=<b>", 'value="&lt;b&gt;"'),
    ],
)
def test_a_test_instrument_is_chosen_by_a_link(
    client: ChapaClient, query: str, filled_in: str
) -> None:
    url = open_page(client)

    page = text_of(f"{url}?{query}")
    assert filled_in in page
    assert f"{url.removeprefix(url[: url.index('/c')])}?by=card" in page


def test_the_receipt_is_for_whoever_has_the_reference(
    client: ChapaClient, sandbox: RunningSandbox
) -> None:
    url = open_page(client, return_url="")
    press(url, "pay")
    reference = client.verify("gz-1").reference

    assert f"/payment-receipt/{reference}" in text_of(url)
    receipt = text_of(f"{sandbox.origin}/payment-receipt/{reference}")
    assert "Hanna Tesfaye" in receipt
    assert "1,250.50" in receipt


def test_what_was_not_paid_has_no_receipt(client: ChapaClient, sandbox: RunningSandbox) -> None:
    press(open_page(client), "decline")
    reference = client.verify("gz-1").reference

    answer = requests.get(f"{sandbox.origin}/payment-receipt/{reference}", timeout=5)
    assert answer.status_code == 404
