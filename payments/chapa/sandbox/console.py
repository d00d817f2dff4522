"""The control page: what happened, and the switches. Works without scripts."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from payments.chapa.sandbox.control import moves_of
from payments.chapa.sandbox.delivery import Attempt
from payments.chapa.sandbox.faults import BY_CHANCE, CHOICES
from payments.chapa.sandbox.local_chapa import LocalChapa
from payments.chapa.sandbox.refunds import RefundState
from payments.chapa.sandbox.switches import USUAL_KINDS
from payments.chapa.sandbox.transactions import NotAllowed, Status

_LONGEST_LIST = 200
#: The switches in the order of the page, and what each is about.
_SWITCHES = {
    "webhook": "webhooks",
    "callback": "callbacks",
    "payment": "a payment on the page",
    "claim": "what is said of a payment",
    "amount": "the amount claimed instead",
    "initialize": "the answer to initialize",
    "verify": "the answer to verify",
    "cancel": "the answer to cancel",
    "refund": "the answer to a refund",
    "verify_refund": "the answer to verify of a refund",
    "refund_end": "how refunds end",
    "test_refunds": "refunds for test keys",
    "transactions": "the list of transactions",
    "events": "the list of events",
    "balances": "the balances",
    "effect": "a spoilt call is carried out all the same",
    "latency_s": "seconds before every answer",
}
# Calls about no transaction in particular.
_OF_NONE = ("transactions", "balances")


@dataclass(frozen=True)
class _Told:
    """What Guzo was told in one way: so many messages, in so many tries."""

    kind: str
    messages: int
    tries: int
    last_answer: int | str


def console_blueprint(chapa: LocalChapa) -> Blueprint:
    """Return the page at /, one for each transaction, and what their buttons do."""
    console = Blueprint("console", __name__)
    _add_pages(console, chapa)
    _add_buttons(console, chapa)
    _add_switches(console, chapa)

    @console.errorhandler(NotAllowed)
    def conflict(reason: NotAllowed) -> tuple[str, int]:
        return render_template("refused.html", reason=str(reason)), 409

    @console.errorhandler(ValueError)
    def malformed(reason: ValueError) -> tuple[str, int]:
        return render_template("refused.html", reason=str(reason)), 400

    return console


def _add_pages(console: Blueprint, chapa: LocalChapa) -> None:
    @console.get("/")
    def list_transactions() -> str:
        newest_first = chapa.store.transactions()[::-1][:_LONGEST_LIST]
        return render_template(
            "transactions.html",
            rows=[
                (each, attempts, list(_summed_up(attempts)))
                for each in newest_first
                for attempts in [chapa.store.attempts(each.tx_ref)]
            ],
            switches=_SWITCHES,
            choices=CHOICES,
            faults_by_name=asdict(chapa.faults.now),
            chance=chapa.faults.chance,
            kinds=BY_CHANCE,
            usual_kinds=USUAL_KINDS,
        )

    @console.get("/transactions/<tx_ref>")
    def show_transaction(tx_ref: str) -> str:
        transaction = chapa.store.find(tx_ref) or abort(404)
        return render_template(
            "transaction.html",
            transaction=transaction,
            attempts=chapa.store.attempts(tx_ref),
            upcoming=[each for each in chapa.store.deliveries() if each.tx_ref == tx_ref],
            refunds=chapa.store.refunds(transaction),
            calls=chapa.store.calls(tx_ref),
            is_told=transaction.status is not Status.PENDING,
            switches={name: _SWITCHES[name] for name in _SWITCHES if name not in _OF_NONE},
            choices=CHOICES,
            own=chapa.faults.own(tx_ref),
        )


def _add_buttons(console: Blueprint, chapa: LocalChapa) -> None:
    @console.post("/transactions/<tx_ref>/<any(pay,decline,reverse,refund):move>")
    def force_outcome(tx_ref: str, move: str) -> ResponseReturnValue:
        moves_of(chapa)[move](chapa.store.find(tx_ref) or abort(404))
        return _back_to(tx_ref)

    @console.post("/transactions/<tx_ref>/webhook")
    def send_webhook(tx_ref: str) -> ResponseReturnValue:
        transaction = chapa.store.find(tx_ref) or abort(404)
        if transaction.status is Status.PENDING:
            raise NotAllowed("nothing has happened that a webhook could tell")
        chapa.deliveries.send_again(transaction, times=1, at_once=False)
        return _back_to(tx_ref)

    @console.post("/refunds/<ref_id>/<any(refunded,reversed):end>")
    def settle_refund(ref_id: str, end: str) -> ResponseReturnValue:
        refund = chapa.store.find_refund(ref_id) or abort(404)
        return _back_to(chapa.settle_refund(refund, RefundState(end)).tx_ref)


def _add_switches(console: Blueprint, chapa: LocalChapa) -> None:
    @console.post("/switches")
    def turn() -> ResponseReturnValue:
        chapa.faults.set(_positions(request.form))
        return redirect(url_for("console.list_transactions"), 303)

    @console.post("/switches/clear")
    def clear() -> ResponseReturnValue:
        chapa.faults.clear()
        return redirect(url_for("console.list_transactions"), 303)

    @console.post("/switches/chance")
    def leave_to_chance() -> ResponseReturnValue:
        try:
            seed, rate = int(request.form["seed"]), float(request.form["rate"])
        except ValueError:
            raise ValueError("seed and rate must be numbers") from None
        chapa.faults.leave_to_chance(seed=seed, rate=rate, kinds=request.form.getlist("kinds"))
        return redirect(url_for("console.list_transactions"), 303)

    @console.post("/transactions/<tx_ref>/switches")
    def turn_for_one(tx_ref: str) -> ResponseReturnValue:
        wanted = {name: value for name, value in request.form.items() if value}
        chapa.faults.put_for(tx_ref, _positions(wanted))
        return _back_to(tx_ref)


def _summed_up(attempts: Iterable[Attempt]) -> Iterator[_Told]:
    by_kind = sorted(attempts, key=lambda each: each.kind)
    for kind, group in groupby(by_kind, key=lambda each: each.kind):
        sent = list(group)
        messages = sum(each.number == 1 for each in sent)
        yield _Told(kind, messages, len(sent), sent[-1].http_status or sent[-1].problem)


def _positions(form: Mapping[str, str]) -> dict[str, object]:
    """Return what a form says; an empty amount claims none."""
    positions: dict[str, object] = dict(form)
    if "amount" in form:
        positions["amount"] = form["amount"].strip() or None
    if "latency_s" in form:
        try:
            positions["latency_s"] = float(form["latency_s"])
        except ValueError:
            raise ValueError("latency_s must be a number") from None
    return positions


def _back_to(tx_ref: str) -> Response:
    address = url_for("console.show_transaction", tx_ref=tx_ref)
    return Response(status=303, headers={"Location": address})
