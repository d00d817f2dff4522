"""Signed webhooks over kept connections, as many as are taken."""

import json
import resource
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from payments.chapa.signature import sign


@dataclass(frozen=True)
class Taken:
    """What one client process saw. `cpu_s` tells whether it was the bottleneck."""

    accepted: int
    refused: int
    slowest_s: float
    cpu_s: float


def flood(url: str, secret: str, *, connections: int, seconds: float, name: str) -> Taken:
    """
    Send webhooks one after another on each connection for so long; count the answers.

    Written onto sockets directly: a client library costs as much as what is measured.
    """
    began = _cpu_s()
    with ThreadPoolExecutor(connections) as pool:
        counts = list(
            pool.map(
                lambda n: _send_until(url, secret, time.monotonic() + seconds, f"{name}-{n}"),
                range(connections),
            )
        )
    accepted, refused, slowest = zip(*counts, strict=True)
    return Taken(sum(accepted), sum(refused), max(slowest), _cpu_s() - began)


def _send_until(url: str, secret: str, ends: float, name: str) -> tuple[int, int, float]:
    address = urlsplit(url)
    accepted = refused = 0
    slowest = 0.0
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while (sent := time.monotonic()) < ends:
            connection.sendall(_request(address.netloc, secret, f"{name}-{accepted + refused}"))
            if _status(connection) == b"200":
                accepted += 1
            else:
                refused += 1
            slowest = max(slowest, time.monotonic() - sent)
    return accepted, refused, slowest


def _request(host: str, secret: str, tx_ref: str) -> bytes:
    body = json.dumps(
        {"event": "charge.success", "tx_ref": tx_ref, "status": "success", "amount": "100.00"}
    ).encode()
    head = (
        f"POST /webhooks/chapa HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nx-chapa-signature: {sign(body, secret)}\r\n\r\n"
    )
    return head.encode() + body


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
