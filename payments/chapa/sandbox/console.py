"""The control page: what happened, and the switches. Works without scripts."""

from flask import Blueprint, render_template

from payments.chapa.sandbox.local_chapa import LocalChapa

_LONGEST_LIST = 200


def console_blueprint(chapa: LocalChapa) -> Blueprint:
    """Return the list of transactions at /."""
    console = Blueprint("console", __name__)

    @console.get("/")
    def list_transactions() -> str:
        newest_first = chapa.store.transactions()[::-1][:_LONGEST_LIST]
        rows = [(each, chapa.store.attempts(each.tx_ref)) for each in newest_first]
        return render_template("transactions.html", rows=rows)

    return console
