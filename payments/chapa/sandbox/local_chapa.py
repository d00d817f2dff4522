"""The local Chapa itself, without its doors: what it knows and what happens in it."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from threading import Event

from payments.chapa.sandbox.archive import Archive
from payments.chapa.sandbox.background import Background
from payments.chapa.sandbox.balances import Balance, balance_of
from payments.chapa.sandbox.claims import claimed
from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.deliveries import Deliveries
from payments.chapa.sandbox.faults import Faults
from payments.chapa.sandbox.paying import Paying
from payments.chapa.sandbox.refunds import Refund, RefundState, is_all_back, order_refund
from payments.chapa.sandbox.store import Store
from payments.chapa.sandbox.switches import FaultSwitches
from payments.chapa.sandbox.transactions import NotAllowed, Status, Transaction
from payments.chapa.wire import Mode

Clock = Callable[[], datetime]


def _machine_time() -> datetime:
    return datetime.now(UTC)


class LocalChapa:
    """
    One merchant's account.

    Whatever becomes of a transaction is announced to Guzo by webhook and callback, in the
    background. With a clock of its own, time is held: what is due by that clock happens when
    `catch_up` is called, and not before. Only a call that is made to hang or late is so for real.

    :raises StateUnusable: if the file that the config names for its state cannot be used.
    """

    def __init__(self, config: SandboxConfig, clock: Clock | None = None) -> None:
        self.config = config
        self.now = clock or _machine_time
        self._held = clock is not None
        self.store = Store(Archive(config.state) if config.state else None)
        self.faults = FaultSwitches(
            Faults(
                webhook="on" if config.webhook else "off",
                callback="on" if config.callback else "off",
                latency_s=config.latency_s,
                test_refunds="on" if config.test_refunds else "off",
            )
        )
        self._background = Background()
        background = None if self._held else self._background
        self.deliveries = Deliveries(config, self.store, self.faults, self.now, background)
        self.page = Paying(
            lambda: self.config,
            self.store,
            self.faults,
            self.now,
            background,
            self._change_and_announce,
        )
        self._stopped = Event()

    def pay(self, transaction: Transaction) -> Transaction:
        """
        Let the money arrive, even over a dead link: a payment under way when it was closed.

        :raises NotAllowed: if it was paid before.
        """
        return self._change_and_announce(
            transaction, lambda newest: newest.pay(method="telebirr", at=self.now())
        )

    def decline(self, transaction: Transaction) -> Transaction:
        """:raises NotAllowed: if it was paid before."""
        return self._change_and_announce(transaction, lambda newest: newest.decline(at=self.now()))

    def reverse(self, transaction: Transaction) -> Transaction:
        """:raises NotAllowed: unless it is paid."""
        return self._change_and_announce(transaction, lambda newest: newest.reverse(at=self.now()))

    def refund(self, transaction: Transaction) -> Transaction:
        """
        Send all of it back at once, as somebody at the dashboard would.

        :raises NotAllowed: unless it is paid.
        """
        return self._change_and_announce(transaction, lambda newest: newest.refund(at=self.now()))

    def order_refund(
        self,
        transaction: Transaction,
        *,
        amount: Decimal | None = None,
        reference: str | None = None,
        reason: str | None = None,
        meta: Mapping[str, object] | None = None,
    ) -> Refund:
        """
        Take an order to send money back; it settles by the clock. All that is left by default.

        :raises NotAllowed: unless so much is left of the transaction, and on the account.
        :raises ReferenceUsed: if there was a refund of that reference.
        """
        available = self.balance(transaction.currency, transaction.mode).available
        if (transaction.amount if amount is None else amount) > available:
            raise NotAllowed("Insufficient Balance")
        refund = self.store.add_refund(
            transaction,
            lambda newest, earlier: order_refund(
                newest,
                earlier,
                amount=amount,
                reference=reference,
                reason=reason,
                meta=meta,
                at=self.now(),
                lasts=timedelta(seconds=self.config.refund_s),
            ),
        )
        self._await_end(refund)
        return refund

    def settle_refund(self, refund: Refund, end: RefundState) -> Refund:
        """
        End it now.

        :raises NotAllowed: if it is settled already.
        """
        return self._change_refund(refund, lambda newest: newest.settle(end, at=self.now()))

    def balance(self, currency: str, mode: Mode) -> Balance:
        return balance_of(
            currency,
            self.config.opening_balance,
            [each for each in self.store.transactions() if each.mode is mode],
            [each for each in self.store.refunds() if each.mode is mode],
        )

    def resume(self) -> None:
        """Go on with what an earlier process left under way; to be called once, at the start."""
        for refund in self.store.refunds():
            self._await_end(refund)
        self.page.resume()
        self.deliveries.resume()

    def catch_up(self) -> None:
        """Where time is held: let everything happen that is due by the clock, and return then."""
        for refund in self.store.refunds():
            self._move_on(refund)
        self.page.let_arrive_due()
        self.deliveries.send_due()

    def next_due_at(self) -> datetime | None:
        """Return when something happens next by itself, so that a held clock can be put there."""
        moments = [
            *(each.moves_at for each in self.store.refunds()),
            *(each.arrives_at for each in self.store.transactions()),
            *(each.due_at for each in self.store.deliveries()),
        ]
        return min((each for each in moments if each is not None), default=None)

    def as_claimed(self, transaction: Transaction) -> Transaction:
        """Return a transaction as it is told while faults make it wrong."""
        claim = self.faults.choose("claim", transaction.tx_ref)
        return claimed(transaction, claim, self.faults.of(transaction.tx_ref).amount)

    def cancel(self, transaction: Transaction) -> Transaction:
        """
        Kill the link; nobody is told.

        :raises NotAllowed: if it is dead already or was paid.
        """
        return self.store.change(transaction, lambda newest: newest.expire_link(at=self.now()))

    def is_payable(self, transaction: Transaction) -> bool:
        return self.page.is_payable(transaction)

    def checkout_url(self, transaction: Transaction) -> str:
        return f"{self.config.checkout_origin}/checkout/payment/{transaction.token}"

    def wait(self, seconds: float) -> None:
        """Sleep, but not past the end of this Chapa. Time held or not: a caller waits for real."""
        self._stopped.wait(seconds)

    def reset(self) -> None:
        """Forget all transactions and faults, and what was still to be sent."""
        self._background.drop()
        self.store.clear()
        self.faults.clear()

    def stop(self) -> None:
        """Wake whatever waits and give up what is still to be sent."""
        self._stopped.set()
        self._background.drop()

    def _change_and_announce(
        self, transaction: Transaction, change: Callable[[Transaction], Transaction]
    ) -> Transaction:
        changed = self.store.change(transaction, change)
        if changed.status is not Status.PENDING:
            self.deliveries.announce(changed)
        return changed

    def _await_end(self, refund: Refund) -> None:
        if refund.moves_at is not None and not self._held:
            self._background.begin(partial(self._see_through, refund))

    def _see_through(self, refund: Refund, given_up: Event) -> None:
        while refund.moves_at is not None:
            if given_up.wait(max(0.0, (refund.moves_at - self.now()).total_seconds())):
                return
            refund = self._move_on(refund)

    def _move_on(self, refund: Refund) -> Refund:
        end = RefundState(self.faults.of(refund.tx_ref).refund_end)
        return self._change_refund(refund, lambda newest: newest.move_on(at=self.now(), end=end))

    def _is_all_back(self, transaction: Transaction) -> bool:
        """Of one that is always told as less, that is all there is to send back."""
        faults = self.faults.of(transaction.tx_ref)
        told = claimed(transaction, faults.claim, faults.amount)
        whole = min(transaction.amount, told.amount)
        return is_all_back(whole, self.store.refunds(transaction))

    def _change_refund(self, refund: Refund, change: Callable[[Refund], Refund]) -> Refund:
        changed = self.store.change_refund(refund.ref_id, change)
        transaction = self.store.find(changed.tx_ref, changed.mode)
        if transaction is not None and self._is_all_back(transaction):
            # Of two refunds that end at the same time both may see that all is back.
            with suppress(NotAllowed):
                self.refund(transaction)
        return changed
