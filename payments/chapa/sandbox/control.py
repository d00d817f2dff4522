"""The control API: look behind the counter, force outcomes, switch faults. Not Chapa's."""

from collections.abc import Callable
from dataclasses import asdict

from flask import Blueprint, Response, abort, jsonify, request

from payments.chapa.sandbox import bodies
from payments.chapa.sandbox.delivery import Attempt
from payments.chapa.sandbox.faults import FORMS, Faults
from payments.chapa.sandbox.local_chapa import LocalChapa
from payments.chapa.sandbox.refunds import Refund, RefundState
from payments.chapa.sandbox.switches import USUAL_KINDS, Chance
from payments.chapa.sandbox.transactions import NotAllowed, Status, Transaction

_MOST_WEBHOOKS = 200


def control_blueprint(chapa: LocalChapa) -> Blueprint:
    """Return the routes under /control; errors are `{"error": "..."}`."""
    control = Blueprint("control", __name__, url_prefix="/control")
    _add_lists(control, chapa)
    _add_moves(control, chapa)
    _add_refunds(control, chapa)
    _add_faults(control, chapa)
    _add_faults_of_one(control, chapa)
    _add_chance(control, chapa)

    @control.errorhandler(NotAllowed)
    def conflict(reason: NotAllowed) -> tuple[Response, int]:
        return jsonify(error=str(reason)), 409

    @control.errorhandler(ValueError)
    def malformed(reason: ValueError) -> tuple[Response, int]:
        return jsonify(error=str(reason)), 400

    @control.errorhandler(404)
    def unknown(_: Exception) -> tuple[Response, int]:
        return jsonify(error="there is no such thing"), 404

    return control


def moves_of(chapa: LocalChapa) -> dict[str, Callable[[Transaction], Transaction]]:
    """Return what can be made of a transaction by hand."""
    return {
        "pay": chapa.pay,
        "decline": chapa.decline,
        "reverse": chapa.reverse,
        "refund": chapa.refund,
    }


def _add_lists(control: Blueprint, chapa: LocalChapa) -> None:
    @control.get("/transactions")
    def list_transactions() -> Response:
        return jsonify([_shown(chapa, each) for each in chapa.store.transactions()])

    @control.get("/transactions/<tx_ref>")
    def show_transaction(tx_ref: str) -> Response:
        return jsonify(_shown(chapa, chapa.store.find(tx_ref) or abort(404)))

    @control.delete("/transactions")
    def forget_everything() -> Response:
        chapa.reset()
        return jsonify([])

    @control.get("/calls")
    def list_calls() -> Response:
        references = chapa.store.called_references()
        return jsonify({tx_ref: chapa.store.calls(tx_ref) for tx_ref in references})


def _add_moves(control: Blueprint, chapa: LocalChapa) -> None:
    @control.post("/transactions/<tx_ref>/<any(pay,decline,reverse,refund):move>")
    def force_outcome(tx_ref: str, move: str) -> Response:
        changed = moves_of(chapa)[move](chapa.store.find(tx_ref) or abort(404))
        return jsonify(_shown(chapa, changed))

    @control.post("/transactions/<tx_ref>/webhook")
    def send_webhook(tx_ref: str) -> Response:
        transaction = chapa.store.find(tx_ref) or abort(404)
        wish = _read_object()
        times = wish.get("times", 1)
        # JSON's true is an int to Python.
        if type(times) is not int or not 1 <= times <= _MOST_WEBHOOKS:
            raise ValueError(f"times must be 1 to {_MOST_WEBHOOKS}")
        fault = wish.get("fault", "")
        if fault not in ("", *FORMS):
            raise ValueError(f"fault must be one of {', '.join(FORMS)}")
        if transaction.status is Status.PENDING:
            raise NotAllowed("nothing has happened that a webhook could tell")
        statuses = chapa.deliveries.send_again(
            transaction,
            times=times,
            at_once=wish.get("concurrent") is True,
            fault=str(fault),
        )
        return jsonify(statuses=statuses)


def _add_refunds(control: Blueprint, chapa: LocalChapa) -> None:
    @control.get("/refunds")
    def list_refunds() -> Response:
        return jsonify([_shown_refund(each) for each in chapa.store.refunds()])

    @control.post("/refunds/<ref_id>/<any(refunded,reversed):end>")
    def settle_refund(ref_id: str, end: str) -> Response:
        refund = chapa.store.find_refund(ref_id) or abort(404)
        return jsonify(_shown_refund(chapa.settle_refund(refund, RefundState(end))))


def _add_faults_of_one(control: Blueprint, chapa: LocalChapa) -> None:
    @control.get("/transactions/<tx_ref>/faults")
    def show_own_faults(tx_ref: str) -> Response:
        return jsonify(_shown_faults(chapa.faults.of(tx_ref)))

    @control.post("/transactions/<tx_ref>/faults")
    def set_own_faults(tx_ref: str) -> Response:
        return jsonify(_shown_faults(chapa.faults.set_for(tx_ref, _read_object())))

    @control.delete("/transactions/<tx_ref>/faults")
    def clear_own_faults(tx_ref: str) -> Response:
        chapa.faults.clear_for(tx_ref)
        return jsonify(_shown_faults(chapa.faults.of(tx_ref)))


def _add_chance(control: Blueprint, chapa: LocalChapa) -> None:
    @control.get("/chance")
    def show_chance() -> Response:
        return jsonify(_shown_chance(chapa.faults.chance))

    @control.post("/chance")
    def set_chance() -> Response:
        return jsonify(_shown_chance(_leave_to_chance(chapa, _read_object())))

    @control.delete("/chance")
    def clear_chance() -> Response:
        chapa.faults.leave_nothing_to_chance()
        return jsonify(_shown_chance(None))


def _leave_to_chance(chapa: LocalChapa, wish: dict[str, object]) -> Chance:
    if unknown := set(wish) - {"seed", "rate", "kinds"}:
        raise ValueError(f"there is no {min(unknown)}")
    seed, rate, kinds = wish.get("seed"), wish.get("rate"), wish.get("kinds", USUAL_KINDS)
    # JSON's true is an int to Python.
    if type(seed) is not int:
        raise ValueError("seed must be a whole number")
    if type(rate) not in (int, float):
        raise ValueError("rate must be a number")
    if not isinstance(kinds, list | tuple) or not all(isinstance(each, str) for each in kinds):
        raise ValueError("kinds must be a list of names")
    return chapa.faults.leave_to_chance(seed=seed, rate=float(str(rate)), kinds=kinds)


def _shown_chance(chance: Chance | None) -> dict[str, object] | None:
    return None if chance is None else asdict(chance)


def _add_faults(control: Blueprint, chapa: LocalChapa) -> None:
    @control.get("/faults")
    def show_faults() -> Response:
        return jsonify(_shown_faults(chapa.faults.now))

    @control.post("/faults")
    def set_faults() -> Response:
        return jsonify(_shown_faults(chapa.faults.set(_read_object())))

    @control.delete("/faults")
    def clear_faults() -> Response:
        chapa.faults.clear()
        return jsonify(_shown_faults(chapa.faults.now))


def _read_object() -> dict[str, object]:
    body = request.get_json(force=True, silent=True) if request.get_data() else {}
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")
    return body


def _shown(chapa: LocalChapa, transaction: Transaction) -> dict[str, object]:
    return {
        "tx_ref": transaction.tx_ref,
        "mode": transaction.mode,
        "status": transaction.status,
        "amount": f"{transaction.amount:.2f}",
        "currency": transaction.currency,
        "reference": transaction.reference,
        "attempts": transaction.attempts,
        "link_expired": transaction.link_expired,
        "payable": chapa.is_payable(transaction),
        "checkout_url": chapa.checkout_url(transaction),
        "callback_url": transaction.callback_url,
        "return_url": transaction.return_url,
        "created_at": bodies.timestamp(transaction.created_at),
        "updated_at": bodies.timestamp(transaction.updated_at),
        "calls": chapa.store.calls(transaction.tx_ref),
        "refunds": [_shown_refund(each) for each in chapa.store.refunds(transaction)],
        "deliveries": [_shown_attempt(each) for each in chapa.store.attempts(transaction.tx_ref)],
    }


def _shown_refund(refund: Refund) -> dict[str, object]:
    return bodies.refund_details(refund) | {
        "tx_ref": refund.tx_ref,
        "reference": refund.reference,
        "reason": refund.reason,
        "requested_at": bodies.timestamp(refund.requested_at),
        "updated_at": bodies.timestamp(refund.updated_at),
    }


def _shown_attempt(attempt: Attempt) -> dict[str, object]:
    return asdict(attempt) | {"sent_at": attempt.sent_at.isoformat()}


def _shown_faults(faults: Faults) -> dict[str, object]:
    amount = None if faults.amount is None else str(faults.amount)
    return asdict(faults) | {"amount": amount}
