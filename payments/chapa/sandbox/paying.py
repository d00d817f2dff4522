"""What a customer does on the checkout page, and the money that comes of it, now or later."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from threading import Event

from payments.chapa.sandbox.background import Background
from payments.chapa.sandbox.cards import CARD, TEST_CARDS, Card
from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.store import Store
from payments.chapa.sandbox.switches import FaultSwitches
from payments.chapa.sandbox.transactions import NotAllowed, Transaction

# Any other number ends in a failed payment. Source: docs/local-chapa.md, "Test numbers".
PAYING_NUMBERS = (
    "0900123456",
    "0900112233",
    "0900881111",
    "0700123456",
    "0700112233",
    "0700881111",
)
DEFAULT_NUMBER = PAYING_NUMBERS[0]
#: As Chapa names them in answers, and as the page does. M-Pesa has the numbers that begin with 07.
METHODS = {
    "telebirr": "telebirr",
    "cbebirr": "CBE Birr",
    "ebirr": "Coopay-Ebirr",
    "awash_bank": "Awash Bank",
    "amole": "Amole",
    "mpesa": "M-Pesa",
}
#: These ask for a code from a text message as well; in test mode it is always the same.
METHODS_WITH_CODE = ("awash_bank", "amole")
CODE = "12345"

_Change = Callable[[Transaction], Transaction]


class Paying:
    """
    The checkout page's side of the account.

    `change` applies a change to a transaction and announces the outcome. Without a background,
    money that is late arrives when `let_arrive_due` is called.
    """

    def __init__(
        self,
        config: Callable[[], SandboxConfig],
        store: Store,
        faults: FaultSwitches,
        now: Callable[[], datetime],
        background: Background | None,
        change: Callable[[Transaction, _Change], Transaction],
    ) -> None:
        self._config = config
        self._store = store
        self._faults = faults
        self._now = now
        self._background = background
        self._change = change

    def is_payable(self, transaction: Transaction) -> bool:
        lifetime = timedelta(seconds=self._config().link_lifetime_s)
        return transaction.is_payable(at=self._now(), lifetime=lifetime)

    def pay(
        self, transaction: Transaction, phone_number: str, *, method: str = "", code: str = ""
    ) -> Transaction:
        """
        Try to pay with a number typed on the page, and with the code where the method has one.

        :raises NotAllowed: if the link no longer takes money.
        """
        used = method or _usual_method(phone_number)
        return self._try(transaction, used, _goes_through(phone_number, used, code))

    def pay_by_card(self, transaction: Transaction, card: Card) -> Transaction:
        """:raises NotAllowed: if the link no longer takes money."""
        return self._try(transaction, CARD, card in TEST_CARDS.values())

    def _try(self, transaction: Transaction, used: str, good: bool) -> Transaction:
        course = self._faults.choose("payment", transaction.tx_ref) if good else "fail"

        def attempt(newest: Transaction) -> Transaction:
            self._check_payable(newest)
            at = self._now()
            if course == "ok":
                return newest.pay(method=used, at=at)
            tried = newest if course == "late" else newest.fail(method=used, at=at)
            if course == "fail":
                return tried
            arrives_at = at + timedelta(seconds=self._config().delay_s)
            return tried.pay_later(method=used, arrives_at=arrives_at)

        tried = self._change(transaction, attempt)
        self._await_arrival(tried)
        return tried

    def decline(self, transaction: Transaction) -> Transaction:
        """:raises NotAllowed: if the link no longer takes money."""

        def attempt(newest: Transaction) -> Transaction:
            self._check_payable(newest)
            return newest.decline(at=self._now())

        return self._change(transaction, attempt)

    def resume(self) -> None:
        """Await the money that an earlier process left under way."""
        for transaction in self._store.transactions():
            self._await_arrival(transaction)

    def let_arrive_due(self) -> None:
        """Let the money arrive that is due by the clock."""
        for transaction in self._store.transactions():
            if transaction.arrives_at is not None and transaction.arrives_at <= self._now():
                self._let_arrive(transaction)

    def _check_payable(self, transaction: Transaction) -> None:
        if not self.is_payable(transaction):
            raise NotAllowed("this link no longer takes money")

    def _await_arrival(self, transaction: Transaction) -> None:
        if transaction.arrives_at is not None and self._background is not None:
            self._background.begin(partial(self._see_arrive, transaction, transaction.arrives_at))

    def _see_arrive(self, transaction: Transaction, at: datetime, given_up: Event) -> None:
        if not given_up.wait(max(0.0, (at - self._now()).total_seconds())):
            self._let_arrive(transaction)

    def _let_arrive(self, transaction: Transaction) -> None:
        method = transaction.arrives_by or "telebirr"
        # It may have been paid by hand meanwhile.
        with suppress(NotAllowed):
            self._change(transaction, lambda newest: newest.pay(method=method, at=self._now()))


def _usual_method(phone_number: str) -> str:
    return "mpesa" if phone_number.startswith("07") else "telebirr"


def _goes_through(phone_number: str, method: str, code: str) -> bool:
    of_mpesa = phone_number.startswith("07")
    if phone_number not in PAYING_NUMBERS or of_mpesa is not (method == "mpesa"):
        return False
    return code == CODE if method in METHODS_WITH_CODE else True
