"""The calls that list: transactions, what happened to one, balances. Sources: docs/chapa.md."""

from urllib.parse import urlencode

from flask import Blueprint, Response, request

from payments.chapa.sandbox import bodies
from payments.chapa.sandbox.answers import html_answer, succeeded
from payments.chapa.sandbox.calls import Refusal, answer_call, authenticate, calls_blueprint
from payments.chapa.sandbox.local_chapa import LocalChapa
from payments.chapa.sandbox.validation import CURRENCIES

#: The reference under which calls about no transaction are counted.
NOBODY = "*"
_USUAL_PAGE, _LARGEST_PAGE = 10, 100


def list_blueprint(chapa: LocalChapa) -> Blueprint:
    """Return the calls that only look; each is refused in HTML if it carries a body."""
    lists = calls_blueprint("lists")

    @lists.before_request
    def refuse_bodies() -> Response | None:
        return html_answer(403) if request.content_length else None

    @lists.get("/transactions")
    def transactions() -> Response:
        return answer_call(chapa, "transactions", NOBODY, lambda _: _list_transactions(chapa))

    @lists.get("/transaction/events/<ref_id>")
    def events(ref_id: str) -> Response:
        transaction = chapa.store.find_by_reference(ref_id)
        tx_ref = ref_id if transaction is None else transaction.tx_ref
        return answer_call(chapa, "events", tx_ref, lambda _: _list_events(chapa, ref_id))

    @lists.get("/balances")
    @lists.get("/balances/<currency>")
    def balances(currency: str = "") -> Response:
        return answer_call(chapa, "balances", NOBODY, lambda _: _list_balances(chapa, currency))

    return lists


def _list_transactions(chapa: LocalChapa) -> Response:
    mode = authenticate(chapa)
    page = _whole_number("page", 1)
    per_page = min(_whole_number("per_page", _USUAL_PAGE), _LARGEST_PAGE)
    newest_first = [each for each in chapa.store.transactions() if each.mode is mode][::-1]
    start = (page - 1) * per_page

    def address(number: int) -> str:
        query = urlencode({"page": number, "per_page": per_page})
        return f"{chapa.config.base_url}/transactions?{query}"

    pagination = {
        "per_page": per_page,
        "current_page": page,
        "first_page_url": address(1),
        "next_page_url": address(page + 1) if start + per_page < len(newest_first) else None,
        "prev_page_url": address(page - 1) if page > 1 else None,
    }
    shown = newest_first[start : start + per_page]
    listed = [bodies.listed_transaction(chapa.as_claimed(each)) for each in shown]
    data = {"transactions": listed, "pagination": pagination}
    return succeeded("Transactions retrieved successfully", data)


def _list_events(chapa: LocalChapa, ref_id: str) -> Response:
    mode = authenticate(chapa)
    transaction = chapa.store.find_by_reference(ref_id)
    if transaction is None or transaction.mode is not mode:
        raise Refusal(404, "Transaction not found")
    return succeeded("Transaction events fetched", bodies.transaction_events(transaction))


def _list_balances(chapa: LocalChapa, currency: str) -> Response:
    mode = authenticate(chapa)
    wanted = (currency.upper(),) if currency else CURRENCIES
    if wanted[0] not in CURRENCIES:
        raise Refusal(400, f"Invalid currency, {currency} is not supported")
    shown = [bodies.account_balance(chapa.balance(each, mode)) for each in wanted]
    return succeeded("Balances retrieved", shown)


def _whole_number(name: str, default: int) -> int:
    """Return a number from the query; what is none, or none above zero, is the default."""
    text = request.args.get(name, "")
    plain = text.isascii() and text.isdigit() and len(text) < 10
    return int(text) or default if plain else default
