"""The page where the traveller pays, and the list of all transactions. Works without scripts."""

from decimal import Decimal

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from payments.chapa.sandbox.local_chapa import DEFAULT_NUMBER, PAYING_NUMBERS, LocalChapa
from payments.chapa.sandbox.transactions import NotAllowed, Status, Transaction

_LONGEST_LIST = 200
_PAGE = "/checkout/payment/<token>"


def checkout_blueprint(chapa: LocalChapa) -> Blueprint:
    """Return the checkout page, its three buttons, and the list at /."""
    pages = Blueprint("checkout", __name__)
    pages.add_app_template_filter(_grouped, "grouped")

    @pages.get("/")
    def list_transactions() -> str:
        newest_first = chapa.store.transactions()[::-1][:_LONGEST_LIST]
        rows = [(each, chapa.store.attempts(each.tx_ref)) for each in newest_first]
        return render_template("transactions.html", rows=rows)

    @pages.get(_PAGE)
    def page(token: str) -> str:
        return _show(chapa, _find(chapa, token))

    @pages.post(f"{_PAGE}/pay")
    def pay(token: str) -> ResponseReturnValue:
        phone_number = request.form.get("phone_number", "").strip()
        try:
            paid = chapa.pay_on_page(_find(chapa, token), phone_number)
        except NotAllowed:
            return _show(chapa, _find(chapa, token)), 409
        if paid.status is Status.SUCCESS and paid.return_url:
            return redirect(_damaged(paid.return_url), 303)
        return redirect(url_for("checkout.page", token=token), 303)

    @pages.post(f"{_PAGE}/decline")
    def decline(token: str) -> ResponseReturnValue:
        try:
            chapa.decline_on_page(_find(chapa, token))
        except NotAllowed:
            return _show(chapa, _find(chapa, token)), 409
        return redirect(url_for("checkout.page", token=token), 303)

    @pages.post(f"{_PAGE}/leave")
    def leave(token: str) -> str:
        return render_template("closed.html", transaction=_find(chapa, token), left=True)

    return pages


def _find(chapa: LocalChapa, token: str) -> Transaction:
    return chapa.store.find_by_token(token) or abort(404)


def _show(chapa: LocalChapa, transaction: Transaction) -> str:
    if not chapa.is_payable(transaction):
        return render_template("closed.html", transaction=transaction, left=False)
    return render_template(
        "checkout.html",
        transaction=transaction,
        phone_number=_prefilled(transaction),
        paying_numbers=PAYING_NUMBERS,
    )


def _prefilled(transaction: Transaction) -> str:
    number = transaction.phone_number
    return number if number in PAYING_NUMBERS else DEFAULT_NUMBER


def _damaged(return_url: str) -> str:
    """Chapa escapes the ampersands of a return URL once too often."""
    return return_url.replace("&", "&amp;")


def _grouped(amount: Decimal) -> str:
    return f"{amount:,.2f}"
