"""The local Chapa itself, without its doors: what it knows and what happens in it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Event

from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.deliveries import Deliveries
from payments.chapa.sandbox.faults import Faults, FaultSwitches
from payments.chapa.sandbox.store import Store
from payments.chapa.sandbox.transactions import NotAllowed, Transaction

# Any other number ends in a failed payment. Source: docs/chapa.md, "Test numbers".
PAYING_NUMBERS = (
    "0900123456",
    "0900112233",
    "0900881111",
    "0700123456",
    "0700112233",
    "0700881111",
)
DEFAULT_NUMBER = PAYING_NUMBERS[0]


class LocalChapa:
    """
    One merchant's account.

    Whatever becomes of a transaction is announced to Guzo by webhook and callback, in the
    background.
    """

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.store = Store()
        self.faults = FaultSwitches(
            Faults(
                webhook="on" if config.webhook else "off",
                callback="on" if config.callback else "off",
                latency_s=config.latency_s,
            )
        )
        self.deliveries = Deliveries(config, self.store, self.faults)
        self._stopped = Event()

    def pay_on_page(self, transaction: Transaction, phone_number: str) -> Transaction:
        """
        Try to pay with a number typed on the checkout page.

        :raises NotAllowed: if the link no longer takes money.
        """

        def attempt(newest: Transaction) -> Transaction:
            self._check_payable(newest)
            method = "mpesa" if phone_number.startswith("07") else "telebirr"
            move = newest.pay if phone_number in PAYING_NUMBERS else newest.fail
            return move(method=method, at=datetime.now(UTC))

        return self._change_and_announce(transaction, attempt)

    def decline_on_page(self, transaction: Transaction) -> Transaction:
        """:raises NotAllowed: if the link no longer takes money."""

        def attempt(newest: Transaction) -> Transaction:
            self._check_payable(newest)
            return newest.decline(at=datetime.now(UTC))

        return self._change_and_announce(transaction, attempt)

    def pay(self, transaction: Transaction) -> Transaction:
        """
        Let the money arrive, even over a dead link: a payment under way when it was closed.

        :raises NotAllowed: if it was paid before.
        """
        return self._change_and_announce(
            transaction, lambda newest: newest.pay(method="telebirr", at=datetime.now(UTC))
        )

    def decline(self, transaction: Transaction) -> Transaction:
        """:raises NotAllowed: if it was paid before."""
        return self._change_and_announce(
            transaction, lambda newest: newest.decline(at=datetime.now(UTC))
        )

    def reverse(self, transaction: Transaction) -> Transaction:
        """:raises NotAllowed: unless it is paid."""
        return self._change_and_announce(
            transaction, lambda newest: newest.reverse(at=datetime.now(UTC))
        )

    def refund(self, transaction: Transaction) -> Transaction:
        """:raises NotAllowed: unless it is paid."""
        return self._change_and_announce(
            transaction, lambda newest: newest.refund(at=datetime.now(UTC))
        )

    def cancel(self, transaction: Transaction) -> Transaction:
        """
        Kill the link; nobody is told.

        :raises NotAllowed: if it is dead already or was paid.
        """
        return self.store.change(
            transaction, lambda newest: newest.expire_link(at=datetime.now(UTC))
        )

    def is_payable(self, transaction: Transaction) -> bool:
        lifetime = timedelta(seconds=self.config.link_lifetime_s)
        return transaction.is_payable(at=datetime.now(UTC), lifetime=lifetime)

    def checkout_url(self, transaction: Transaction) -> str:
        return f"{self.config.checkout_origin}/checkout/payment/{transaction.token}"

    def wait(self, seconds: float) -> None:
        """Sleep, but not past the end of this Chapa."""
        if seconds:
            self._stopped.wait(seconds)

    def reset(self) -> None:
        """Forget all transactions and faults, and what was still to be sent."""
        self.deliveries.drop()
        self.store.clear()
        self.faults.clear()

    def stop(self) -> None:
        """Wake whatever waits and give up what is still to be sent."""
        self._stopped.set()
        self.deliveries.drop()

    def _check_payable(self, transaction: Transaction) -> None:
        if not self.is_payable(transaction):
            raise NotAllowed("this link no longer takes money")

    def _change_and_announce(
        self, transaction: Transaction, change: Callable[[Transaction], Transaction]
    ) -> Transaction:
        changed = self.store.change(transaction, change)
        self.deliveries.announce(changed)
        return changed
