"""The calls under /v1/transaction, answer for answer. Sources: docs/chapa.md."""

from urllib.parse import urlsplit

from flask import Blueprint, Response, request

from payments.chapa.sandbox import bodies
from payments.chapa.sandbox.answers import html_answer, json_answer, succeeded
from payments.chapa.sandbox.calls import (
    Refusal,
    answer_call,
    authenticate,
    calls_blueprint,
    read_fields,
)
from payments.chapa.sandbox.local_chapa import LocalChapa
from payments.chapa.sandbox.store import ReferenceUsed
from payments.chapa.sandbox.transactions import NotAllowed, Status, Transaction
from payments.chapa.sandbox.troubles import TRICKS
from payments.chapa.sandbox.validation import CURRENCIES, find_complaints, open_transaction
from payments.chapa.wire import Mode

_WRONG_MODE = {
    Mode.LIVE: "Live secret keys can\u2019t be used to verify a test transaction",
    Mode.TEST: "Test secret keys can\u2019t be used to verify a live transaction",
}
_WRONG_CONTENT_TYPE = (
    "Incorrect header settings Please check if content-type is present and set to "
    "application/json\t"
)


def api_blueprint(chapa: LocalChapa) -> Blueprint:
    """Return the three calls of a checkout: initialize, verify and cancel."""
    api = calls_blueprint("api")

    @api.post("/transaction/initialize")
    # What clients on telephones ask.
    @api.post("/transaction/mobile-initialize")
    def initialize() -> Response:
        fields = read_fields()
        tx_ref = str(fields.get("tx_ref", ""))
        return answer_call(
            chapa, "initialize", tx_ref, lambda fault: _initialize(chapa, fields, fault)
        )

    @api.get("/transaction/verify/<tx_ref>")
    def verify(tx_ref: str) -> Response:
        return answer_call(chapa, "verify", tx_ref, lambda fault: _verify(chapa, tx_ref, fault))

    @api.put("/transaction/cancel/<tx_ref>")
    def cancel(tx_ref: str) -> Response:
        return answer_call(chapa, "cancel", tx_ref, lambda fault: _cancel(chapa, tx_ref, fault))

    return api


def _initialize(chapa: LocalChapa, fields: dict[str, object], fault: str) -> Response:
    mode = authenticate(chapa)
    if not request.is_json and not request.form:
        raise Refusal(400, _WRONG_CONTENT_TYPE)
    if complaints := find_complaints(fields):
        raise Refusal(400, complaints)
    if fields["currency"] not in CURRENCIES:
        raise Refusal(400, f"Invalid currency, {fields['currency']} is not supported")
    transaction = open_transaction(fields, mode=mode, at=chapa.now())
    try:
        chapa.store.add(transaction)
    except ReferenceUsed:
        raise Refusal(400, "Transaction reference has been used before") from None
    page = chapa.checkout_url(transaction)
    if fault in TRICKS:
        page = TRICKS[fault](urlsplit(page).netloc)
    return succeeded("Hosted Link", {"checkout_url": page})


def _verify(chapa: LocalChapa, tx_ref: str, fault: str) -> Response:
    if request.content_length:
        return html_answer(403)
    mode = authenticate(chapa)
    if fault == "404":
        raise Refusal(404, "Invalid transaction or Transaction not found")
    if fault == "unpaid":
        return json_answer(404, {"message": "Payment not paid yet", "status": "null", "data": None})
    transaction = _find(chapa, tx_ref, mode)
    if transaction is None:
        raise Refusal(400, "Invalid transaction reference")
    data = bodies.verification(chapa.as_claimed(transaction))
    if fault == "pending":
        data |= {"status": Status.PENDING.value, "charge": None, "method": None, "type": "Unknown"}
        data.pop("reference", None)
    if transaction.status is Status.PENDING:
        return succeeded("Payment details fetched successfully", data)
    return succeeded("Payment details", data)


def _cancel(chapa: LocalChapa, tx_ref: str, fault: str) -> Response:
    mode = authenticate(chapa)
    transaction = _find(chapa, tx_ref, mode)
    if transaction is None:
        raise Refusal(404, "Payment link not found")
    try:
        cancelled = chapa.cancel(transaction)
    except NotAllowed as reason:
        raise Refusal(400, str(reason)) from None
    if fault == "race":
        chapa.pay(cancelled)
    return succeeded("Checkout link expired successfully", bodies.cancellation(cancelled))


def _find(chapa: LocalChapa, tx_ref: str, mode: Mode) -> Transaction | None:
    transaction = chapa.store.find(tx_ref, mode)
    if transaction is None and chapa.store.find(tx_ref) is not None:
        raise Refusal(401, _WRONG_MODE[mode])
    return transaction
