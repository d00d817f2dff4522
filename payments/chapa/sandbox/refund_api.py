"""The calls under /v1/refund, answer for answer. Sources: docs/chapa.md, "Refunds"."""

from decimal import Decimal

from flask import Blueprint, Response

from payments.chapa.sandbox import bodies
from payments.chapa.sandbox.answers import succeeded
from payments.chapa.sandbox.calls import (
    Refusal,
    answer_call,
    authenticate,
    calls_blueprint,
    read_fields,
)
from payments.chapa.sandbox.local_chapa import LocalChapa
from payments.chapa.sandbox.store import ReferenceUsed
from payments.chapa.sandbox.transactions import NotAllowed, Transaction
from payments.chapa.sandbox.validation import is_numeric, text_of
from payments.chapa.wire import Mode


def refund_blueprint(chapa: LocalChapa) -> Blueprint:
    """Return the two calls about refunds: order one, and ask what became of it."""
    refunds = calls_blueprint("refunds")

    @refunds.post("/refund/<reference>")
    def refund(reference: str) -> Response:
        transaction = chapa.store.find_by_reference(reference)
        # A reference that Chapa does not know is counted under itself.
        tx_ref = reference if transaction is None else transaction.tx_ref
        return answer_call(
            chapa, "refund", tx_ref, lambda fault: _refund(chapa, transaction, fault)
        )

    @refunds.get("/refund/<ref_id>/verify")
    def verify_refund(ref_id: str) -> Response:
        known = chapa.store.find_refund(ref_id)
        tx_ref = ref_id if known is None else known.tx_ref
        return answer_call(
            chapa, "verify_refund", tx_ref, lambda fault: _verify_refund(chapa, ref_id, fault)
        )

    return refunds


def _refund(chapa: LocalChapa, transaction: Transaction | None, fault: str) -> Response:
    mode = authenticate(chapa)
    if mode is Mode.TEST and not _are_test_refunds_on(chapa, transaction):
        raise Refusal(400, "Refunds can only be processed in live mode")
    if transaction is None or transaction.mode is not mode:
        raise Refusal(404, "Transaction not found")
    fields = read_fields()
    meta = fields.get("meta")
    try:
        refund = chapa.order_refund(
            transaction,
            amount=_amount(fields),
            reference=text_of(fields.get("reference")) or None,
            reason=text_of(fields.get("reason")) or None,
            meta=meta if isinstance(meta, dict) and meta else None,
        )
    except NotAllowed as reason:
        raise Refusal(400, str(reason)) from None
    except ReferenceUsed:
        raise Refusal(400, "Refund reference has been used before") from None
    data = bodies.refund_details(refund)
    if fault == "no_ref_id":
        del data["ref_id"]
    return succeeded("Refund initiated successfully", data)


def _are_test_refunds_on(chapa: LocalChapa, transaction: Transaction | None) -> bool:
    faults = chapa.faults.now if transaction is None else chapa.faults.of(transaction.tx_ref)
    return faults.test_refunds == "on"


def _verify_refund(chapa: LocalChapa, ref_id: str, fault: str) -> Response:
    mode = authenticate(chapa)
    refund = chapa.store.find_refund(ref_id)
    if refund is None or refund.mode is not mode or fault == "404":
        raise Refusal(404, "Refund not found")
    return succeeded("Refund details", bodies.refund_details(refund))


def _amount(fields: dict[str, object]) -> Decimal | None:
    value = fields.get("amount")
    if value is None or value == "":
        return None
    if not is_numeric(value):
        raise Refusal(400, {"amount": ["validation.numeric"]})
    amount = Decimal(text_of(value).strip())
    if amount <= 0:
        raise Refusal(400, {"amount": ["validation.min.numeric"]})
    return amount
