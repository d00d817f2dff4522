"""Everything the local Chapa remembers, in memory and, if there is one, in its archive."""

from collections import Counter
from collections.abc import Callable
from threading import Lock

from payments.chapa.sandbox.archive import Archive
from payments.chapa.sandbox.delivery import Attempt, Delivery
from payments.chapa.sandbox.refunds import Refund
from payments.chapa.sandbox.transactions import Transaction
from payments.chapa.wire import Mode

_CALLS_OF_A_CHECKOUT = ("initialize", "verify", "cancel")


class ReferenceUsed(Exception):
    """A reference serves once for each key, for ever."""


class Store:
    """
    Safe for many threads; what it returns never changes afterwards.

    It begins with what the archive holds, and counts calls anew.
    """

    def __init__(self, archive: Archive | None = None) -> None:
        self._lock = Lock()
        self._archive: Archive | None = None
        self._transactions: dict[tuple[Mode, str], Transaction] = {}
        self._by_token: dict[str, tuple[Mode, str]] = {}
        self._by_reference: dict[str, tuple[Mode, str]] = {}
        self._refunds: dict[str, Refund] = {}
        self._deliveries: dict[str, Delivery] = {}
        self._attempts: dict[str, list[Attempt]] = {}
        self._calls: dict[str, Counter[str]] = {}
        if archive is not None:
            self._recall(archive)
            self._archive = archive

    def add(self, transaction: Transaction) -> None:
        """:raises ReferenceUsed: if this mode has seen the reference."""
        key = (transaction.mode, transaction.tx_ref)
        with self._lock:
            if key in self._transactions:
                raise ReferenceUsed
            self._put(transaction)

    def change(
        self, transaction: Transaction, change: Callable[[Transaction], Transaction]
    ) -> Transaction:
        """Apply a change to the newest state of a transaction, alone; return the new state."""
        key = (transaction.mode, transaction.tx_ref)
        with self._lock:
            changed = change(self._transactions[key])
            self._put(changed)
            return changed

    def find(self, tx_ref: str, mode: Mode | None = None) -> Transaction | None:
        """Return the newest state of a transaction, of any mode unless one is named."""
        with self._lock:
            modes = tuple(Mode) if mode is None else (mode,)
            keys = ((each, tx_ref) for each in modes)
            return next((self._transactions[k] for k in keys if k in self._transactions), None)

    def find_by_token(self, token: str) -> Transaction | None:
        with self._lock:
            key = self._by_token.get(token)
            return None if key is None else self._transactions[key]

    def find_by_reference(self, reference: str) -> Transaction | None:
        """Return the transaction that Chapa calls so."""
        with self._lock:
            key = self._by_reference.get(reference)
            return None if key is None else self._transactions[key]

    def transactions(self) -> list[Transaction]:
        """Return all of them, oldest first."""
        with self._lock:
            return list(self._transactions.values())

    def add_refund(
        self, transaction: Transaction, order: Callable[[Transaction, list[Refund]], Refund]
    ) -> Refund:
        """
        Keep what `order` makes of a transaction's newest state and its refunds so far, alone.

        :raises ReferenceUsed: if this mode has seen the refund's own reference.
        """
        with self._lock:
            newest = self._transactions[(transaction.mode, transaction.tx_ref)]
            refund = order(newest, self._refunds_of(newest))
            taken = {each.reference for each in self._refunds.values() if each.mode == refund.mode}
            if refund.reference is not None and refund.reference in taken:
                raise ReferenceUsed
            self._put_refund(refund)
            return refund

    def change_refund(self, ref_id: str, change: Callable[[Refund], Refund]) -> Refund:
        """Apply a change to the newest state of a refund, alone; return the new state."""
        with self._lock:
            changed = change(self._refunds[ref_id])
            self._put_refund(changed)
            return changed

    def find_refund(self, ref_id: str) -> Refund | None:
        with self._lock:
            return self._refunds.get(ref_id)

    def refunds(self, transaction: Transaction | None = None) -> list[Refund]:
        """Return the refunds of a transaction, or all, oldest first."""
        with self._lock:
            if transaction is None:
                return list(self._refunds.values())
            return self._refunds_of(transaction)

    def _refunds_of(self, transaction: Transaction) -> list[Refund]:
        key = (transaction.mode, transaction.tx_ref)
        return [each for each in self._refunds.values() if (each.mode, each.tx_ref) == key]

    def count_call(self, kind: str, tx_ref: str) -> None:
        with self._lock:
            self._calls.setdefault(tx_ref, Counter())[kind] += 1

    def calls(self, tx_ref: str) -> dict[str, int]:
        """
        Return how often each call was made for a reference, failed and unknown ones too.

        The three calls of a checkout are always there, others once they were made.
        """
        with self._lock:
            return dict.fromkeys(_CALLS_OF_A_CHECKOUT, 0) | self._calls.get(tx_ref, Counter())

    def called_references(self) -> list[str]:
        with self._lock:
            return list(self._calls)

    def add_delivery(self, delivery: Delivery) -> None:
        with self._lock:
            self._put_delivery(delivery)

    def swap_delivery(self, old: Delivery, new: Delivery | None) -> bool:
        """Put the new in the place of the old, or nothing; False if the old is there no more."""
        with self._lock:
            if self._deliveries.get(old.delivery_id) != old:
                return False
            if new is not None:
                self._put_delivery(new)
                return True
            del self._deliveries[old.delivery_id]
            if self._archive is not None:
                self._archive.drop(Delivery, old.delivery_id)
            return True

    def deliveries(self) -> list[Delivery]:
        """Return what is still to be sent, in the order in which it happened."""
        with self._lock:
            return list(self._deliveries.values())

    def record(self, attempt: Attempt) -> None:
        with self._lock:
            earlier = self._attempts.setdefault(attempt.tx_ref, [])
            earlier.append(attempt)
            if self._archive is not None:
                self._archive.keep(f"{attempt.tx_ref} {len(earlier)}", attempt)

    def attempts(self, tx_ref: str) -> list[Attempt]:
        """Return what was sent to Guzo about a reference, in the order it was answered."""
        with self._lock:
            return list(self._attempts.get(tx_ref, ()))

    def clear(self) -> None:
        """Forget everything, used references too."""
        with self._lock:
            self._transactions.clear()
            self._by_token.clear()
            self._by_reference.clear()
            self._refunds.clear()
            self._deliveries.clear()
            self._attempts.clear()
            self._calls.clear()
            if self._archive is not None:
                self._archive.clear()

    def close(self) -> None:
        """Let the archive go, for another process to open it; nothing may be changed any more."""
        with self._lock:
            if self._archive is not None:
                self._archive.close()

    def _recall(self, archive: Archive) -> None:
        for transaction in archive.transactions():
            self._put(transaction)
        for refund in archive.refunds():
            self._put_refund(refund)
        for delivery in archive.deliveries():
            self._put_delivery(delivery)
        for attempt in archive.attempts():
            self._attempts.setdefault(attempt.tx_ref, []).append(attempt)

    def _put(self, transaction: Transaction) -> None:
        key = (transaction.mode, transaction.tx_ref)
        self._transactions[key] = transaction
        self._by_token[transaction.token] = key
        if transaction.reference is not None:
            self._by_reference[transaction.reference] = key
        if self._archive is not None:
            self._archive.keep(f"{transaction.mode} {transaction.tx_ref}", transaction)

    def _put_refund(self, refund: Refund) -> None:
        self._refunds[refund.ref_id] = refund
        if self._archive is not None:
            self._archive.keep(refund.ref_id, refund)

    def _put_delivery(self, delivery: Delivery) -> None:
        self._deliveries[delivery.delivery_id] = delivery
        if self._archive is not None:
            self._archive.keep(delivery.delivery_id, delivery)
