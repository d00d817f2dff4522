"""Signed webhooks over kept connections, as many as are taken."""

import json
import multiprocessing
import resource
import socket
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from payments.chapa.signature import sign

CLIENTS, CONNECTIONS = 2, 6
# Of one core. Beyond this a client would be what is measured.
MOST_CLIENT_CPU = 0.5

_CHAPA_BODY = json.dumps(
    {
        "event": "charge.success",
        "first_name": "Almaz",
        "last_name": "Bekele",
        "email": None,
        "mobile": "25190000000",
        "currency": "ETB",
        "amount": "400.00",
        "charge": "12.00",
        "status": "success",
        "mode": "test",
        "reference": "AP634JFwEbxd",
        "created_at": "2026-11-22T19:21:18.000000Z",
        "updated_at": "2026-11-22T19:21:27.000000Z",
        "type": "API",
        "tx_ref": "<tx_ref>",
        "payment_method": "telebirr",
        "customization": {"title": None, "description": None, "logo": None},
        "meta": None,
    }
).encode()


@dataclass(frozen=True)
class Taken:
    """What one client process saw. `cpu_s` tells whether it was the bottleneck."""

    accepted: int
    refused: int
    slowest_s: float
    cpu_s: float


@dataclass(frozen=True)
class Rate:
    """Webhooks taken in so many seconds, and how long the slowest of them took."""

    accepted: int
    seconds: float
    slowest_s: float

    @property
    def per_second(self) -> float:
        return self.accepted / self.seconds

    def __str__(self) -> str:
        return f"{self.per_second:4.0f}/s, slowest {self.slowest_s:.2f} s"


# Host and name of a request → its bytes, head and body.
Writer = Callable[[str, str], bytes]


def client_processes() -> ProcessPoolExecutor:
    """Processes that inherit nothing, for `flood_from`."""
    return ProcessPoolExecutor(CLIENTS, mp_context=multiprocessing.get_context("spawn"))


def flood_from(
    clients: ProcessPoolExecutor, url: str, write: Writer, *, seconds: float, name: str
) -> Rate:
    """
    Flood from all clients at once.

    :raises SystemExit: if anything was refused, or a client had no time to spare.
    """
    under_way = [
        clients.submit(
            flood, url, write, connections=CONNECTIONS, seconds=seconds, name=f"{name}-{number}"
        )
        for number in range(CLIENTS)
    ]
    taken = [each.result() for each in under_way]
    if refused := sum(each.refused for each in taken):
        raise SystemExit(f"{refused} webhooks were refused")
    if max(each.cpu_s for each in taken) > seconds * MOST_CLIENT_CPU:
        raise SystemExit("a client was the bottleneck: add another")
    accepted = sum(each.accepted for each in taken)
    return Rate(accepted, seconds, max(each.slowest_s for each in taken))


def flood(url: str, write: Writer, *, connections: int, seconds: float, name: str) -> Taken:
    """
    Send requests one after another on each connection for so long; count the answers.

    Each bears a name of its own. Written onto sockets directly: a client library costs as much as
    what is measured.
    """
    began = _cpu_s()
    with ThreadPoolExecutor(connections) as pool:
        counts = list(
            pool.map(
                lambda n: _send_until(url, write, time.monotonic() + seconds, f"{name}-{n}"),
                range(connections),
            )
        )
    accepted, refused, slowest = zip(*counts, strict=True)
    return Taken(sum(accepted), sum(refused), max(slowest), _cpu_s() - began)


def write_chapa_webhook(secret: str, host: str, tx_ref: str) -> bytes:
    """A webhook as Chapa documents it, signed as Chapa signs it."""
    body = _CHAPA_BODY.replace(b"<tx_ref>", tx_ref.encode())
    return write_post(host, "/webhooks/chapa", body, f"x-chapa-signature: {sign(body, secret)}")


def write_post(host: str, path: str, body: bytes, *headers: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *headers,
    )
    return "\r\n".join((*head, "", "")).encode() + body


def _send_until(url: str, write: Writer, ends: float, name: str) -> tuple[int, int, float]:
    address = urlsplit(url)
    accepted = refused = 0
    slowest = 0.0
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while (sent := time.monotonic()) < ends:
            connection.sendall(write(address.netloc, f"{name}-{accepted + refused}"))
            if _status(connection) == b"200":
                accepted += 1
            else:
                refused += 1
            slowest = max(slowest, time.monotonic() - sent)
    return accepted, refused, slowest


def _status(connection: socket.socket) -> bytes:
    """Read one answer with a Content-Length to its end; return its status."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += _some(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += _some(connection)
    return head.split(b" ", 2)[1]


def _some(connection: socket.socket) -> bytes:
    if piece := connection.recv(64 * 1024):
        return piece
    raise ConnectionError("the server closed a kept connection")


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
