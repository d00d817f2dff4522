"""Answers that are no answers: what a switched-on fault says instead of Chapa."""

import socket
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

from flask import Response, request

from payments.chapa.sandbox.answers import failed, html_answer, json_answer, succeeded
from payments.chapa.sandbox.config import SandboxConfig

# Chapa prints typographic apostrophes, which catches whoever compares sentences.
UNKNOWN_KEY = "Invalid API Key or User doesn\u2019t exist"
_INACTIVE = (
    "Invalid API Key or  the business can\u2019t accept payments at the moment. Please verify your "
    "API key and ensure the account is active and able to process payments."
)
RETRY_AFTER_S = 120

_HUGE_PIECES = 20
_PIECE = b" " * 1024 * 1024
_DRIP_S = 0.02


Wait = Callable[[float], None]
Trouble = Callable[[SandboxConfig, Wait], Response]


def _time_out(config: SandboxConfig, wait: Wait) -> Response:
    wait(config.hang_s)
    return drop_connection()


def _redirect(config: SandboxConfig, _: Wait) -> Response:
    """Lead to another host, which is this one by another name, so that it sees who follows."""
    port = urlsplit(config.origin).port
    target = f"http://localhost:{port}/v1/transaction/verify/redirected"
    return Response(status=302, headers={"Location": target})


def _ask_for_patience(*_: object) -> Response:
    answer = failed(429, "Too many requests")
    answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    return answer


def _drip(config: SandboxConfig, wait: Wait) -> Response:
    def drops() -> Iterator[bytes]:
        yield b'{"message":"'
        for _ in range(int(config.hang_s / _DRIP_S)):
            wait(_DRIP_S)
            yield b"x"

    return Response(drops(), mimetype="application/json")


def _overflow(*_: object) -> Response:
    """20 MiB of JSON that would be believed if it were read to its end."""

    def pieces() -> Iterator[bytes]:
        yield b'{"message":"Hosted Link","status":"success",'
        for _ in range(_HUGE_PIECES):
            yield _PIECE
        yield b'"data":null}'

    return Response(pieces(), mimetype="application/json")


def _break_off(*_: object) -> Response:
    promised = {"Content-Length": "5000"}
    return Response(iter([b'{"message":"Hosted']), mimetype="application/json", headers=promised)


TROUBLES: Final[dict[str, Trouble]] = {
    "500": lambda *_: json_answer(500, {"message": "Server Error"}),
    "502": lambda *_: html_answer(502),
    "html": lambda *_: html_answer(200),
    "empty": lambda *_: Response(b"", 200, mimetype="application/json"),
    "null": lambda *_: succeeded("Hosted Link", None),
    "429": lambda *_: failed(429, "Too many requests"),
    "429 later": _ask_for_patience,
    "401": lambda *_: failed(401, UNKNOWN_KEY),
    "inactive": lambda *_: failed(401, _INACTIVE),
    "403": lambda *_: html_answer(403),
    "timeout": _time_out,
    "half": _break_off,
    "drip": _drip,
    "huge": _overflow,
    "redirect": _redirect,
}

#: What initialize alone says.
REFUSALS: Final[dict[str, Trouble]] = {
    "object": lambda *_: failed(400, {"email": ["validation.email"]}),
    "sentence": lambda *_: failed(400, "Something went wrong, please try again"),
    "used": lambda *_: failed(400, "Transaction reference has been used before"),
    "lose": lambda *_: drop_connection(),
}

#: What a refund alone says.
REFUND_REFUSALS: Final[dict[str, Trouble]] = {
    "insufficient": lambda *_: failed(400, "Insufficient Balance"),
    "lose": lambda *_: drop_connection(),
}

#: Where initialize leads instead of the checkout page. The first part of each is that page's host.
TRICKS: Final[dict[str, Callable[[str], str]]] = {
    "elsewhere": lambda host: f"http://{host}.pay.invalid/checkout/payment/x",
    "userinfo": lambda host: f"http://{host}@pay.invalid/checkout/payment/x",
    "script": lambda host: f"javascript://{host}/%0Aalert(1)",
}


def drop_connection() -> Response:
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    return Response(status=500)
