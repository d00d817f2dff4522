"""The pages of the checkout: pay, code, receipt. All work without scripts."""

from decimal import Decimal

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from payments.chapa.sandbox.cards import CARD, TEST_CARDS, Card
from payments.chapa.sandbox.local_chapa import LocalChapa
from payments.chapa.sandbox.paying import (
    CODE,
    DEFAULT_NUMBER,
    METHODS,
    METHODS_WITH_CODE,
    PAYING_NUMBERS,
)
from payments.chapa.sandbox.transactions import UNPAID, NotAllowed, Status, Transaction

_PAGE = "/checkout/payment/<token>"
_NAMES = {**METHODS, CARD: "Card"}
# Which no test number is, and no test card.
_FAILING_NUMBER, _FAILING_CARD = "0911223344", Card("4200000000000042", "12/34", "123")


def checkout_blueprint(chapa: LocalChapa) -> Blueprint:
    """Return the checkout page with its buttons, the page for the code, and the receipt."""
    pages = Blueprint("checkout", __name__)
    pages.add_app_template_filter(_grouped, "grouped")

    @pages.get(_PAGE)
    def page(token: str) -> str:
        return _show(chapa, _find(chapa, token))

    @pages.post(f"{_PAGE}/pay")
    def pay(token: str) -> ResponseReturnValue:
        transaction = _find(chapa, token)
        if not chapa.is_payable(transaction):
            return _show(chapa, transaction), 409
        if _typed("method") not in ("", *METHODS, CARD):
            abort(400, "There is no such method.")
        if _typed("method") in METHODS_WITH_CODE and "code" not in request.form:
            return _ask_for_code(transaction)
        try:
            tried = _try(chapa, transaction)
        except NotAllowed:
            return _show(chapa, _find(chapa, token)), 409
        if tried.status is Status.SUCCESS and tried.return_url:
            return redirect(_damaged(tried.return_url), 303)
        return redirect(_address_of(tried), 303)

    @pages.post(f"{_PAGE}/decline")
    def decline(token: str) -> ResponseReturnValue:
        try:
            chapa.page.decline(_find(chapa, token))
        except NotAllowed:
            return _show(chapa, _find(chapa, token)), 409
        return redirect(url_for("checkout.page", token=token), 303)

    @pages.post(f"{_PAGE}/leave")
    def leave(token: str) -> str:
        return render_template("closed.html", transaction=_find(chapa, token), left=True)

    @pages.get("/payment-receipt/<reference>")
    def receipt(reference: str) -> str:
        transaction = chapa.store.find_by_reference(reference)
        if transaction is None or transaction.status in UNPAID:
            abort(404)
        return render_template("receipt.html", transaction=transaction, methods=_NAMES)

    return pages


def _typed(name: str) -> str:
    return request.form.get(name, "").strip()


def _find(chapa: LocalChapa, token: str) -> Transaction:
    return chapa.store.find_by_token(token) or abort(404)


def _try(chapa: LocalChapa, transaction: Transaction) -> Transaction:
    if _typed("method") == CARD:
        card = Card.typed(_typed("card_number"), _typed("expiry"), _typed("cvv"))
        return chapa.page.pay_by_card(transaction, card)
    return chapa.page.pay(
        transaction, _typed("phone_number"), method=_typed("method"), code=_typed("code")
    )


def _ask_for_code(transaction: Transaction) -> str:
    return render_template(
        "code.html",
        transaction=transaction,
        phone_number=_typed("phone_number"),
        method=_typed("method"),
        method_name=METHODS[_typed("method")],
        code=CODE,
    )


def _address_of(transaction: Transaction) -> str:
    """Return the page as whoever has just tried to pay saw it."""
    by = CARD if transaction.method == CARD else None
    return url_for("checkout.page", token=transaction.token, by=by)


def _show(chapa: LocalChapa, transaction: Transaction) -> str:
    if not chapa.is_payable(transaction):
        return render_template("closed.html", transaction=transaction, left=False)
    return render_template(
        "checkout.html",
        transaction=transaction,
        by_card=request.args.get("by") == CARD,
        phone_number=request.args.get("number") or _prefilled(transaction),
        methods=METHODS,
        paying_numbers=PAYING_NUMBERS,
        failing_number=_FAILING_NUMBER,
        code=CODE,
        card=_chosen_card(),
        cards={**TEST_CARDS, "any other": _FAILING_CARD},
    )


def _prefilled(transaction: Transaction) -> str:
    number = transaction.phone_number
    return number if number in PAYING_NUMBERS else DEFAULT_NUMBER


def _chosen_card() -> Card:
    chosen = request.args.get("number")
    offered = (*TEST_CARDS.values(), _FAILING_CARD)
    return next((each for each in offered if each.number == chosen), TEST_CARDS["Visa"])


def _damaged(return_url: str) -> str:
    """Chapa escapes the ampersands of a return URL once too often."""
    return return_url.replace("&", "&amp;")


def _grouped(amount: Decimal) -> str:
    return f"{amount:,.2f}"
