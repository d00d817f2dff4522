"""The API under /v1, answer for answer. Sources: docs/chapa.md."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlsplit

from flask import Blueprint, Response, request

from payments.chapa.sandbox import bodies
from payments.chapa.sandbox.answers import failed, html_answer, json_answer, succeeded
from payments.chapa.sandbox.local_chapa import LocalChapa
from payments.chapa.sandbox.store import ReferenceUsed
from payments.chapa.sandbox.transactions import NotAllowed, Status, Transaction
from payments.chapa.sandbox.troubles import REFUSALS, TRICKS, TROUBLES, UNKNOWN_KEY
from payments.chapa.sandbox.validation import (
    CURRENCIES,
    find_complaints,
    nest,
    open_transaction,
)
from payments.chapa.wire import Mode, mode_of_key

_WRONG_MODE = {
    Mode.LIVE: "Live secret keys can\u2019t be used to verify a test transaction",
    Mode.TEST: "Test secret keys can\u2019t be used to verify a live transaction",
}
_WRONG_CONTENT_TYPE = (
    "Incorrect header settings Please check if content-type is present and set to "
    "application/json\t"
)


class _Refusal(Exception):
    def __init__(self, http_status: int, message: object) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.message = message


def api_blueprint(chapa: LocalChapa) -> Blueprint:
    """Return the three calls Guzo makes: initialize, verify and cancel."""
    api = Blueprint("api", __name__, url_prefix="/v1/transaction")

    @api.errorhandler(_Refusal)
    def refuse(refusal: _Refusal) -> Response:
        return failed(refusal.http_status, refusal.message)

    @api.after_request
    def show_limits(response: Response) -> Response:
        response.headers["x-ratelimit-limit"] = "60"
        response.headers["x-ratelimit-remaining"] = "0" if response.status_code == 429 else "59"
        return response

    @api.post("/initialize")
    def initialize() -> Response:
        fields = _read_fields()
        tx_ref = str(fields.get("tx_ref", ""))
        chapa.store.count_call("initialize", tx_ref)
        fault = chapa.faults.now.initialize
        return _with_fault(chapa, fault, lambda: _initialize(chapa, fields, fault))

    @api.get("/verify/<tx_ref>")
    def verify(tx_ref: str) -> Response:
        chapa.store.count_call("verify", tx_ref)
        fault = chapa.faults.now.verify
        return _with_fault(chapa, fault, lambda: _verify(chapa, tx_ref, fault))

    @api.put("/cancel/<tx_ref>")
    def cancel(tx_ref: str) -> Response:
        chapa.store.count_call("cancel", tx_ref)
        fault = chapa.faults.now.cancel
        return _with_fault(chapa, fault, lambda: _cancel(chapa, tx_ref, fault))

    return api


def _initialize(chapa: LocalChapa, fields: dict[str, object], fault: str) -> Response:
    mode = _authenticate(chapa)
    if not request.is_json and not request.form:
        raise _Refusal(400, _WRONG_CONTENT_TYPE)
    if complaints := find_complaints(fields):
        raise _Refusal(400, complaints)
    if fields["currency"] not in CURRENCIES:
        raise _Refusal(400, f"Invalid currency, {fields['currency']} is not supported")
    transaction = open_transaction(fields, mode=mode, at=datetime.now(UTC))
    try:
        chapa.store.add(transaction)
    except ReferenceUsed:
        raise _Refusal(400, "Transaction reference has been used before") from None
    page = chapa.checkout_url(transaction)
    if fault in TRICKS:
        page = TRICKS[fault](urlsplit(page).netloc)
    return succeeded("Hosted Link", {"checkout_url": page})


def _verify(chapa: LocalChapa, tx_ref: str, fault: str) -> Response:
    if request.content_length:
        return html_answer(403)
    mode = _authenticate(chapa)
    if fault == "404":
        raise _Refusal(404, "Invalid transaction or Transaction not found")
    if fault == "unpaid":
        return json_answer(404, {"message": "Payment not paid yet", "status": "null", "data": None})
    transaction = _find(chapa, tx_ref, mode)
    if transaction is None:
        raise _Refusal(400, "Invalid transaction reference")
    data = bodies.verification(transaction.claiming(chapa.faults.now.amount))
    if fault == "pending":
        data |= {"status": Status.PENDING.value, "charge": None, "method": None, "type": "Unknown"}
        data.pop("reference", None)
    if transaction.status is Status.PENDING:
        return succeeded("Payment details fetched successfully", data)
    return succeeded("Payment details", data)


def _cancel(chapa: LocalChapa, tx_ref: str, fault: str) -> Response:
    mode = _authenticate(chapa)
    transaction = _find(chapa, tx_ref, mode)
    if transaction is None:
        raise _Refusal(404, "Payment link not found")
    try:
        cancelled = chapa.cancel(transaction)
    except NotAllowed as reason:
        raise _Refusal(400, str(reason)) from None
    if fault == "race":
        chapa.pay(cancelled)
    return succeeded("Checkout link expired successfully", bodies.cancellation(cancelled))


def _find(chapa: LocalChapa, tx_ref: str, mode: Mode) -> Transaction | None:
    transaction = chapa.store.find(tx_ref, mode)
    if transaction is None and chapa.store.find(tx_ref) is not None:
        raise _Refusal(401, _WRONG_MODE[mode])
    return transaction


def _authenticate(chapa: LocalChapa) -> Mode:
    authorization = request.headers.get("Authorization", "")
    if not authorization:
        raise _Refusal(401, "Authorization required")
    key = authorization.removeprefix("Bearer ")
    if key not in chapa.config.secret_keys:
        raise _Refusal(401, UNKNOWN_KEY)
    return mode_of_key(key)


def _read_fields() -> dict[str, object]:
    if not request.is_json:
        return nest(request.form.items())
    try:
        fields = json.loads(request.get_data(), parse_float=Decimal, parse_int=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        fields = None
    return nest(fields.items()) if isinstance(fields, dict) else {}


def _with_fault(chapa: LocalChapa, fault: str, carry_out: Callable[[], Response]) -> Response:
    faults = chapa.faults.now
    chapa.wait(faults.latency_s)
    trouble = {**TROUBLES, **REFUSALS}.get(fault)
    if trouble is None:
        return carry_out()
    if faults.effect == "on" or fault == "lose":
        with suppress(_Refusal):
            carry_out()
    return trouble(chapa.config, chapa.wait)
