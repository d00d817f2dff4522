"""What all calls under /v1 share: the key, the fields, refusals and switched-on troubles."""

import json
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

from flask import Blueprint, Response, request

from payments.chapa.sandbox.answers import failed
from payments.chapa.sandbox.local_chapa import LocalChapa
from payments.chapa.sandbox.troubles import REFUND_REFUSALS, REFUSALS, TROUBLES, UNKNOWN_KEY
from payments.chapa.sandbox.validation import nest
from payments.chapa.wire import Mode, mode_of_key

_SPOILT = {**TROUBLES, **REFUSALS, **REFUND_REFUSALS}


class Refusal(Exception):
    """Ends a call with Chapa's envelope for what went wrong."""

    def __init__(self, http_status: int, message: object) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.message = message


def calls_blueprint(name: str) -> Blueprint:
    """Return a blueprint under /v1 that turns refusals into answers and shows the limits."""
    calls = Blueprint(name, __name__, url_prefix="/v1")

    @calls.errorhandler(Refusal)
    def refuse(refusal: Refusal) -> Response:
        return failed(refusal.http_status, refusal.message)

    @calls.after_request
    def show_limits(response: Response) -> Response:
        response.headers["x-ratelimit-limit"] = "60"
        response.headers["x-ratelimit-remaining"] = "0" if response.status_code == 429 else "59"
        return response

    return calls


def answer_call(
    chapa: LocalChapa, kind: str, tx_ref: str, carry_out: Callable[[str], Response]
) -> Response:
    """Count the call and carry it out, unless the fault that is switched on for it says else."""
    chapa.store.count_call(kind, tx_ref)
    faults = chapa.faults.of(tx_ref)
    fault = chapa.faults.choose(kind, tx_ref)
    chapa.wait(faults.latency_s)
    trouble = _SPOILT.get(fault)
    if trouble is None:
        return carry_out(fault)
    if faults.effect == "on" or fault == "lose":
        with suppress(Refusal):
            carry_out(fault)
    return trouble(chapa.config, chapa.wait)


def authenticate(chapa: LocalChapa) -> Mode:
    """:raises Refusal: unless the key is one of the account's."""
    authorization = request.headers.get("Authorization", "")
    if not authorization:
        raise Refusal(401, "Authorization required")
    key = authorization.removeprefix("Bearer ")
    if key not in chapa.config.secret_keys:
        raise Refusal(401, UNKNOWN_KEY)
    return mode_of_key(key)


def read_fields() -> dict[str, object]:
    """Return the fields of a JSON object or a form; nothing of any other JSON."""
    if not request.is_json:
        return nest(request.form.items())
    try:
        fields = json.loads(request.get_data(), parse_float=Decimal, parse_int=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        fields = None
    return nest(fields.items()) if isinstance(fields, dict) else {}
