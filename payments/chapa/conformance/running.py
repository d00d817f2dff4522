"""
Ask Chapa all questions and print every difference.

Opens one checkout that nobody pays and closes it again.
"""

import secrets
import sys
from collections.abc import Mapping

from payments.chapa.conformance.differences import Difference, as_table, find_differences
from payments.chapa.conformance.questions import Question, Questions
from payments.chapa.transport import NoAnswer, Transport
from payments.chapa.wire import Mode, mode_of_key

_DOCUMENTED_URL = "https://api.chapa.co/v1"
_DOCUMENTED_HOST = "checkout.chapa.co"
_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S = 5.0, 20.0
_NOT_OUR_KEY = 401
_HOW = """
Take a test secret key from Chapa's dashboard: with one, no money moves. Then

    CHAPA_SECRET_KEY=CHASECK_TEST-... make test-chapa"""


class CannotAsk(Exception):
    """Why there is nothing to compare, for whoever ran this; never repeats the key."""


def main(environ: Mapping[str, str]) -> int:
    """Ask, compare and print. Returns 0 if all is as documented, else 1."""
    try:
        differences = _ask_everything(environ)
    except CannotAsk as reason:
        print(reason, file=sys.stderr)
        return 1
    if not differences:
        print("\nNo difference from docs/chapa.md.")
        return 0
    print(f"\n{as_table(differences)}\n")
    print("What came wins: correct docs/chapa.md, payments/chapa/conformance/documented.py,")
    print("the files in payments/chapa/tests/bodies/ and the local Chapa together.")
    return 1


def _ask_everything(environ: Mapping[str, str]) -> list[Difference]:
    secret_key = _test_key(environ)
    base_url = (environ.get("CHAPA_BASE_URL") or _DOCUMENTED_URL).rstrip("/")
    hosts = environ.get("CHAPA_CHECKOUT_HOSTS") or _DOCUMENTED_HOST
    questions = Questions(
        tx_ref=f"gz-check-{secrets.token_hex(8)}",
        checkout_hosts=tuple(hosts.split(",")),
        allow_http=base_url.startswith("http:"),
    )
    transport = Transport(
        base_url=base_url,
        secret_key=secret_key,
        connect_timeout_s=_CONNECT_TIMEOUT_S,
        read_timeout_s=_READ_TIMEOUT_S,
    )
    print(f"Asking {base_url} as documented in docs/chapa.md.\n")
    try:
        return [each for question in questions for each in _ask(transport, question)]
    except NoAnswer as silence:
        raise CannotAsk(f"Chapa did not answer: {silence.problem}.") from silence
    finally:
        transport.close()


def _ask(transport: Transport, question: Question) -> list[Difference]:
    answer = transport.ask(question.method, question.path, question.payload)
    if answer.http_status == _NOT_OUR_KEY:
        raise CannotAsk("Chapa refuses this key, or the account is not activated." + _HOW)
    found = find_differences(question, answer)
    print(f"{question.name:42}  {'differs' if found else 'as documented'}")
    return found


def _test_key(environ: Mapping[str, str]) -> str:
    secret_key = environ.get("CHAPA_SECRET_KEY", "")
    if not secret_key:
        raise CannotAsk("CHAPA_SECRET_KEY is not set." + _HOW)
    try:
        mode = mode_of_key(secret_key)
    except ValueError as reason:
        raise CannotAsk(f"CHAPA_SECRET_KEY: {reason}." + _HOW) from reason
    if mode is not Mode.TEST:
        raise CannotAsk("CHAPA_SECRET_KEY is a live key, and this opens a checkout." + _HOW)
    return secret_key
