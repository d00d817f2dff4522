"""Chapa's door over a real socket, as gunicorn serves it: what no test client can send."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
import requests

from core.ids import new_id
from payments.chapa.signature import sign
from workers.tests.crash.conftest import Trip
from workers.tests.crash.fleet import Fleet

pytestmark = pytest.mark.crash

LIMIT = 64 * 1024


class Caller:
    """Says bytes to the web process and hears the answer."""

    def __init__(self, fleet: Fleet) -> None:
        address = urlsplit(fleet.plan.web_url)
        self.secret = fleet.plan.environment["CHAPA_WEBHOOK_SECRETS"]
        self.at = (str(address.hostname), int(address.port or 0))

    def head(self, *lines: str, body: bytes = b"") -> bytes:
        signature = f"x-chapa-signature: {sign(body, self.secret)}"
        fixed = ("POST /webhooks/chapa HTTP/1.1", f"Host: 127.0.0.1:{self.at[1]}", signature)
        return "\r\n".join([*fixed, *lines, "", ""]).encode("latin-1")

    def connect(self) -> socket.socket:
        return socket.create_connection(self.at, timeout=20)

    def say(self, *pieces: bytes, pause: float = 0) -> tuple[int, str]:
        """Return status and code of the answer; 0 if there was none."""
        with self.connect() as connection:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
            connection.shutdown(socket.SHUT_WR)
            heard = b"".join(iter(lambda: connection.recv(65536), b""))
        if not heard:
            return 0, ""
        if b" 100 Continue" in heard.split(b"\r\n", 1)[0]:
            heard = heard.split(b"\r\n\r\n", 1)[1]
        status, body = int(heard.split(b" ", 2)[1]), heard.split(b"\r\n\r\n", 1)[1]
        return status, json.loads(body).get("code", "") if body.startswith(b"{") else ""


@pytest.fixture
def caller(fleet: Fleet) -> Iterator[Caller]:
    yield Caller(fleet)
    log = (fleet.logs / "web.log").read_text()
    assert "Traceback" not in log
    assert '"status": 5' not in log


def a_body(length: int = 0) -> bytes:
    """Return a body that no other test sends."""
    start = b'{"event":"charge.invented","note":"' + new_id().hex.encode()
    return start + b"x" * (length - len(start) - 2) + b'"}'


def chunked(body: bytes, size: int = 4096) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in pieces) + b"0\r\n\r\n"


def kept(fleet: Fleet, body: bytes) -> list[str]:
    rows = fleet.sql("select verdict from payments_incomingwebhook where body = %s", body)
    return [verdict for (verdict,) in rows]


@pytest.mark.parametrize("length", [100, LIMIT])
@pytest.mark.parametrize("way", ["length", "chunks", "drips", "asking first"])
def test_a_signed_body_is_kept_however_it_is_sent(
    fleet: Fleet, caller: Caller, way: str, length: int
) -> None:
    body = a_body(length)
    sized = caller.head(f"Content-Length: {len(body)}", body=body)
    expecting = caller.head(f"Content-Length: {len(body)}", "Expect: 100-continue", body=body)
    pieces = [body[start : start + length // 5] for start in range(0, length, length // 5)]
    said: dict[str, list[bytes]] = {
        "length": [sized, body],
        "chunks": [caller.head("Transfer-Encoding: chunked", body=body), chunked(body)],
        "drips": [sized, *pieces],
        "asking first": [expecting, body],
    }

    assert caller.say(*said[way], pause=0.05) == (200, "")
    assert kept(fleet, body) == ["signed"]


def test_what_is_too_large_is_refused_before_it_is_read(fleet: Fleet, caller: Caller) -> None:
    body = a_body(LIMIT + 1)
    sized = caller.head(f"Content-Length: {len(body)}", body=body)

    assert caller.say(sized) == (413, "too_large")
    assert caller.say(sized, body) == (413, "too_large")
    assert caller.say(caller.head(f"Content-Length: {'9' * 15}")) == (413, "too_large")
    in_chunks = caller.head("Transfer-Encoding: chunked", body=body)
    assert caller.say(in_chunks, chunked(body)) == (413, "too_large")
    assert caller.say(in_chunks, b"%x\r\n" % 10**12, b"x" * (LIMIT + 1)) == (413, "too_large")
    assert kept(fleet, body) == []


def test_a_body_that_breaks_off_is_refused_and_nothing_of_it_is_kept(
    fleet: Fleet, caller: Caller
) -> None:
    (before,) = fleet.sql("select count(*) from payments_incomingwebhook")[0]
    body = a_body(200)
    sized = caller.head(f"Content-Length: {len(body) + 1}", body=body)
    in_chunks = caller.head("Transfer-Encoding: chunked", body=body)

    assert caller.say(sized, body) == (400, "invalid")
    assert caller.say(sized) == (400, "invalid")
    assert caller.say(in_chunks, chunked(body)[:-9]) == (400, "invalid")
    assert caller.say(in_chunks, b"zz\r\n") == (400, "invalid")
    assert caller.say(in_chunks, b"5\r\nabcdeXX") == (400, "invalid")
    for _ in range(20):
        with caller.connect() as connection:
            connection.sendall(sized + body[:50])
            # Gone, and nothing that was on its way arrives.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    time.sleep(0.5)
    assert fleet.sql("select count(*) from payments_incomingwebhook") == [(before,)]


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: -1"],
        ["Content-Length: ten"],
        ["Content-Length: 1", "Content-Length: 2"],
        ["Content-Length: 2", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked, chunked"],
        ["Transfer-Encoding: gzip"],
    ],
)
def test_a_length_that_means_nothing_is_refused(caller: Caller, lines: list[str]) -> None:
    assert caller.say(caller.head(*lines), b"{}")[0] in (400, 501)


def test_compressed_bodies_are_not_opened(fleet: Fleet, caller: Caller) -> None:
    body = a_body()
    head = caller.head(f"Content-Length: {len(body)}", "Content-Encoding: gzip", body=body)

    assert caller.say(head, body) == (415, "unsupported_media_type")
    assert kept(fleet, body) == []


def test_callers_who_fall_silent_are_answered_and_give_their_threads_back(
    fleet: Fleet, caller: Caller
) -> None:
    body = a_body()
    with ExitStack() as stack:
        everyone = [
            stack.enter_context(caller.connect())
            for _ in range(int(fleet.plan.environment["WEB_THREADS"]))
        ]
        for silent in everyone:
            silent.sendall(caller.head("Content-Length: 100") + b"{")
        for silent in everyone:
            assert silent.recv(12) == b"HTTP/1.1 400"

    sized = caller.head(f"Content-Length: {len(body)}", body=body)
    assert caller.say(sized, body) == (200, "")


def test_a_thousand_callbacks_in_ten_seconds_are_two_questions_at_most(
    fleet: Fleet, caller: Caller, trip: Trip
) -> None:
    trip.start_payment()
    (tx_ref,) = fleet.sql("select tx_ref from payments_payment where id = %s", trip.payment["id"])[
        0
    ]
    url = f"{fleet.plan.web_url}/callbacks/chapa?trx_ref={tx_ref}&status=success"
    asked_before = fleet.chapa("GET", f"transactions/{tx_ref}")["calls"].get("verify", 0)
    began = time.monotonic()

    def crowd(_: int) -> set[tuple[int, bytes]]:
        with requests.Session() as session:
            answers = [session.get(url, timeout=20) for _ in range(125)]
        return {(answer.status_code, answer.content) for answer in answers}

    with ThreadPoolExecutor(8) as pool:
        heard = set().union(*pool.map(crowd, range(8)))
    time.sleep(max(0.0, 10 - (time.monotonic() - began)))

    assert heard == {(200, b'{"status": "received"}')}
    asked = fleet.chapa("GET", f"transactions/{tx_ref}")["calls"].get("verify", 0) - asked_before
    assert asked <= 2
    assert trip.status() == "held"
