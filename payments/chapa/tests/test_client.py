"""The real client against peers that misbehave on real sockets."""

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from itertools import repeat
from pathlib import Path

import pytest

from payments.chapa.client import ChapaClient
from payments.chapa.tests.cast import LIVE_KEY, TEST_KEY, a_checkout, captured, wait_until
from payments.chapa.tests.conftest import MakeClient
from payments.chapa.tests.servers import Receiver, answering, hanging_up_after_each, http_answer
from payments.chapa.wire import (
    Closing,
    Evidence,
    Fetched,
    Mode,
    Opening,
    Outcome,
    RefundProgress,
    RefundSubmission,
    RefundSubmitted,
)

MIB = 1024 * 1024
PAID = captured("verify_paid")


def trouble_of(client: ChapaClient) -> Evidence:
    """Verify, and return the evidence of what must have been no answer."""
    answer = client.verify("gz-1")

    assert answer.outcome is Outcome.TRANSIENT
    return answer.evidence


def give_back(client: ChapaClient, gateway_reference: str = "AP634JFwEbxd") -> RefundSubmission:
    return client.refund(
        gateway_reference,
        money_amount=Decimal("400.5"),
        currency="ETB",
        reference="gzr-1",
        reason="Two nights & a day",
    )


def dead_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.mark.parametrize(
    ("call", "silence"),
    [
        (lambda client: client.initialize(a_checkout()).opening, Opening.UNKNOWN),
        (lambda client: client.verify("gz-1").outcome, Outcome.TRANSIENT),
        (lambda client: client.cancel("gz-1").closing, Closing.UNKNOWN),
        (lambda client: give_back(client).submitted, RefundSubmitted.UNKNOWN),
        (lambda client: client.verify_refund("RF1").progress, RefundProgress.TRANSIENT),
        (lambda client: client.list_transactions(page=1).fetched, Fetched.UNKNOWN),
        (lambda client: client.transaction_events("AP1").fetched, Fetched.UNKNOWN),
        (lambda client: client.balances().fetched, Fetched.UNKNOWN),
    ],
)
def test_no_call_raises_when_nobody_is_there(
    make_client: MakeClient, call: Callable[[ChapaClient], str], silence: str
) -> None:
    assert call(make_client(f"http://127.0.0.1:{dead_port()}/v1")) == silence


def test_an_amount_over_a_million_is_refused_by_name_and_never_sent(
    make_client: MakeClient,
) -> None:
    with answering([http_answer(captured("initialize_opened"))]) as server:
        client = make_client(server.base_url, checkout_hosts=("checkout.chapa.co",))
        answer = client.initialize(a_checkout(amount=Decimal("1000000.01")))

        assert server.request == b""

    assert (answer.opening, answer.http_status) == (Opening.REFUSED, None)
    assert answer.evidence == {"problem": "amount over 1000000"}


def test_a_refused_connection_is_named(make_client: MakeClient) -> None:
    evidence = trouble_of(make_client(f"http://127.0.0.1:{dead_port()}/v1"))

    assert evidence == {"problem": "connection failed", "cause": "ConnectionRefusedError"}


def test_a_name_that_does_not_resolve_is_no_answer(make_client: MakeClient) -> None:
    trouble_of(make_client("http://chapa.invalid/v1"))


def test_a_peer_that_says_nothing_is_a_read_timeout(make_client: MakeClient) -> None:
    with answering([b""], pause_s=5) as server:
        evidence = trouble_of(make_client(server.base_url, read_timeout_s=0.1))

    assert evidence["problem"] == "read timeout"


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nX-Drip: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
    ids=["headers", "body of a known length", "body of an unknown length"],
)
def test_an_answer_that_drips_is_given_up_in_time(make_client: MakeClient, start: bytes) -> None:
    with answering([start, *repeat(b"x", 500)], pause_s=0.02) as server:
        client = make_client(server.base_url, connect_timeout_s=0.05, read_timeout_s=0.15)
        began = time.monotonic()

        evidence = trouble_of(client)

        assert evidence["problem"] == "answer too slow"
        # All of it would take ten seconds.
        assert 0.15 < time.monotonic() - began < 5


def test_a_body_that_drips_for_ever_holds_no_thread(make_client: MakeClient) -> None:
    start = b"HTTP/1.1 200 OK\r\n\r\n"
    with answering([start, *repeat(b"x", 500)], pause_s=0.02) as server:
        trouble_of(make_client(server.base_url, connect_timeout_s=0.05, read_timeout_s=0.1))

        wait_until(lambda: all(thread.name != "chapa-call" for thread in threading.enumerate()))


@pytest.mark.parametrize(
    "answer",
    [
        http_answer(b" " * MIB + PAID),
        http_answer(gzip.compress(b" " * MIB + PAID), headers="Content-Encoding: gzip\r\n"),
    ],
    ids=["plain", "compressed"],
)
def test_an_answer_over_a_mebibyte_is_not_read(make_client: MakeClient, answer: bytes) -> None:
    with answering([answer]) as server:
        evidence = trouble_of(make_client(server.base_url))

    assert evidence == {"problem": "answer too large"}


@pytest.mark.parametrize(
    "answer",
    [
        http_answer(PAID),
        http_answer(PAID + b" " * (MIB - len(PAID))),
        http_answer(gzip.compress(PAID), headers="Content-Encoding: gzip\r\n"),
        b"HTTP/1.1 200 OK\r\n\r\n" + PAID,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
        % (len(PAID), PAID),
    ],
    ids=["plain", "a mebibyte", "compressed", "until the end", "chunked"],
)
def test_an_answer_is_read_however_it_is_framed(make_client: MakeClient, answer: bytes) -> None:
    with answering([answer]) as server:
        seen = make_client(server.base_url).verify("gz-1")

    assert seen.outcome is Outcome.PAID


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\xff garbage",
        b"HTTP/1.1",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: minus one\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + PAID,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + PAID,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        http_answer(b"not gzip", headers="Content-Encoding: gzip\r\n"),
        http_answer(b"<html>", status="502 Bad Gateway"),
        http_answer(b"<html>", status="200 OK"),
        http_answer(PAID, status="503 Service Unavailable"),
    ],
)
def test_a_broken_answer_is_no_answer(make_client: MakeClient, answer: bytes) -> None:
    with answering([answer]) as server:
        trouble_of(make_client(server.base_url))


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 T", "308 P"])
def test_a_redirect_is_not_followed_and_the_key_goes_nowhere(
    make_client: MakeClient, receiver: Receiver, status: str
) -> None:
    redirect = http_answer(b"", status=status, headers=f"Location: {receiver.origin}/v1\r\n")
    with answering([redirect]) as server:
        opening = make_client(server.base_url).initialize(a_checkout()).opening

    assert opening is Opening.UNKNOWN
    assert receiver.received == []


def test_a_cookie_is_not_sent_back(make_client: MakeClient) -> None:
    answers = [http_answer(PAID, headers="Set-Cookie: affinity=1; Path=/\r\n"), http_answer(PAID)]
    with answering(answers, wait_for_request=True) as server:
        client = make_client(server.base_url)
        client.verify("gz-1")
        client.verify("gz-2")

    assert b"gz-2" in server.request
    assert b"cookie" not in server.request.lower()


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("Retry-After: 120", 120),
        ("Retry-After: 0", 0),
        ("retry-after: 86400", 300),
        ("Retry-After: Wed, 21 Oct 2020 07:28:00 GMT", 0),
        ("Retry-After: Thu, 21 Oct 2100 07:28:00 GMT", 300),
        ("x-ratelimit-remaining: 0", 60),
        ("x-ratelimit-remaining: 1", 0),
    ],
)
def test_a_wish_to_be_asked_later_is_read_from_the_headers(
    make_client: MakeClient, said: str, wait: int
) -> None:
    busy = captured("too_many_requests")
    answers = [http_answer(busy, status="429 T", headers=f"{said}\r\n")] * 6
    with answering(answers, wait_for_request=True) as server:
        client = make_client(server.base_url)
        wishes = {
            client.verify("gz-1").retry_after,
            give_back(client).retry_after,
            client.verify_refund("RF1").retry_after,
            client.list_transactions(page=1).retry_after,
            client.transaction_events("AP1").retry_after,
            client.balances().retry_after,
        }

    assert wishes == {timedelta(seconds=wait)}


@pytest.mark.parametrize(
    "answer",
    [
        http_answer(PAID),
        http_answer(gzip.compress(PAID), headers="Content-Encoding: gzip\r\n"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
        % (len(PAID), PAID),
        http_answer(b"<html>", status="502 Bad Gateway"),
    ],
    ids=["plain", "compressed", "chunked", "not understood"],
)
def test_a_connection_is_kept_for_the_next_call(make_client: MakeClient, answer: bytes) -> None:
    with answering([answer, answer, http_answer(PAID)], wait_for_request=True) as server:
        client = make_client(server.base_url)
        client.verify("gz-1")
        client.verify("gz-2")

        assert client.verify("gz-3").outcome is Outcome.PAID


def test_a_kept_connection_that_has_ended_is_replaced(make_client: MakeClient) -> None:
    with hanging_up_after_each(http_answer(PAID)) as server:
        client = make_client(server.base_url)
        outcomes = []
        for tx_ref in ("gz-1", "gz-2", "gz-3"):
            outcomes.append(client.verify(tx_ref).outcome)
            time.sleep(0.02)

        assert server.connections == 3

    assert outcomes == [Outcome.PAID] * 3


def test_proxies_of_the_environment_are_not_used(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{dead_port()}")
    monkeypatch.setenv("no_proxy", "")
    with answering([http_answer(PAID)]) as server:
        seen = make_client(server.base_url).verify("gz-1")

    assert seen.outcome is Outcome.PAID


@pytest.mark.parametrize("method", ["verify", "cancel"])
def test_verify_and_cancel_carry_the_key_and_no_body(make_client: MakeClient, method: str) -> None:
    with answering([http_answer(PAID)]) as server:
        getattr(make_client(server.base_url), method)("gz_A-1")

    head, _, body = server.request.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == f"/v1/transaction/{method}/gz_A-1".encode()
    assert f"Authorization: Bearer {TEST_KEY}".encode() in head
    assert b"Content-Type" not in head
    assert body == b""


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (lambda client: client.verify_refund("RF_1-a"), b"/v1/refund/RF_1-a/verify"),
        (
            lambda client: client.list_transactions(page=2, per_page=50),
            b"/v1/transactions?page=2&per_page=50",
        ),
        (lambda client: client.transaction_events("AP1"), b"/v1/transaction/events/AP1"),
        (lambda client: client.balances(), b"/v1/balances"),
    ],
)
def test_a_question_carries_the_key_and_no_body(
    make_client: MakeClient, call: Callable[[ChapaClient], object], path: bytes
) -> None:
    with answering([http_answer(PAID)]) as server:
        call(make_client(server.base_url))

    head, _, body = server.request.partition(b"\r\n\r\n")
    assert head.split(b" ")[:2] == [b"GET", path]
    assert f"Authorization: Bearer {TEST_KEY}".encode() in head
    assert b"Content-Type" not in head
    assert body == b""


def test_a_refund_is_a_form_to_chapas_reference(make_client: MakeClient) -> None:
    with answering([http_answer(captured("refund_accepted"))]) as server:
        answer = give_back(make_client(server.base_url))

    head, _, body = server.request.partition(b"\r\n\r\n")
    assert head.split(b" ")[:2] == [b"POST", b"/v1/refund/AP634JFwEbxd"]
    assert b"Content-Type: application/x-www-form-urlencoded" in head
    assert body == b"amount=400.50&reason=Two+nights+a+day&reference=gzr-1"
    assert answer.submitted is RefundSubmitted.ACCEPTED


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"])
def test_a_refund_whose_answer_is_lost_may_have_been_taken(
    make_client: MakeClient, answer: bytes
) -> None:
    with answering([answer]) as server:
        submission = give_back(make_client(server.base_url))

    assert b"reference=gzr-1" in server.request
    assert submission.submitted is RefundSubmitted.UNKNOWN
    assert submission.evidence["problem"] in ("connection failed", "broken answer")


@pytest.mark.parametrize("reference", ["../balances", "a/b", "a?b", "a%2fb", "", "x" * 65])
def test_a_reference_of_chapas_that_could_bend_the_path_is_not_asked_about(
    make_client: MakeClient, reference: str
) -> None:
    client = make_client("http://127.0.0.1:9/v1")

    with pytest.raises(ValueError, match="reference"):
        give_back(client, reference)
    with pytest.raises(ValueError, match="reference"):
        client.verify_refund(reference)
    with pytest.raises(ValueError, match="reference"):
        client.transaction_events(reference)


@pytest.mark.parametrize("numbers", [{"page": 0}, {"page": 1, "per_page": 0}])
def test_pages_count_from_one(make_client: MakeClient, numbers: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        make_client("http://127.0.0.1:9/v1").list_transactions(**numbers)


@pytest.mark.parametrize("tx_ref", ["../balances", "a/b", "a?b", "a%2fb", "", "x" * 51])
def test_a_reference_that_could_bend_the_path_is_not_asked_about(
    make_client: MakeClient, tx_ref: str
) -> None:
    client = make_client("http://127.0.0.1:9/v1")

    with pytest.raises(ValueError, match="tx_ref"):
        client.verify(tx_ref)
    with pytest.raises(ValueError, match="tx_ref"):
        client.cancel(tx_ref)


@pytest.mark.parametrize("base_url", ["", "api.chapa.co/v1", "ftp://api.chapa.co", "https:///v1"])
def test_a_base_url_that_is_none_is_refused(make_client: MakeClient, base_url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        make_client(base_url)


def test_a_malformed_key_is_refused_at_once(make_client: MakeClient) -> None:
    with pytest.raises(ValueError, match="v2 key"):
        make_client("https://api.chapa.co/v1", secret_key="CHAPA_TEST_PRIV_x")


def test_the_client_knows_its_mode(make_client: MakeClient) -> None:
    assert make_client("https://api.chapa.co/v1", secret_key=LIVE_KEY).mode is Mode.LIVE


def test_plain_http_behind_an_https_address_is_a_tls_failure(make_client: MakeClient) -> None:
    with answering([http_answer(PAID)]) as server:
        secure_url = server.base_url.replace("http:", "https:")
        evidence = trouble_of(make_client(secure_url))

    assert evidence["problem"] == "TLS failure"


def test_a_certificate_nobody_vouches_for_is_refused(make_client: MakeClient) -> None:
    certificate = Path(__file__).with_name("untrusted_certificate.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def shake_hands() -> None:
            connection, _ = listener.accept()
            with connection, pytest.raises(ssl.SSLError):
                context.wrap_socket(connection, server_side=True)

        thread = threading.Thread(target=shake_hands, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        evidence = trouble_of(make_client(f"https://127.0.0.1:{port}/v1"))
        thread.join()

    assert evidence == {"problem": "TLS failure", "cause": "SSLCertVerificationError"}
