"""Tell Guzo what happened: webhooks, repeated until they are taken, and callbacks."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from threading import Barrier, Event

from payments.chapa.sandbox import bodies
from payments.chapa.sandbox.background import Background
from payments.chapa.sandbox.claims import claimed
from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.delivery import Attempt, Delivery
from payments.chapa.sandbox.sending import send, url_of
from payments.chapa.sandbox.store import Store
from payments.chapa.sandbox.switches import FaultSwitches
from payments.chapa.sandbox.transactions import Status, Transaction

# Chapa: 10 attempts, until HTTP 200.
MAX_DELIVERIES = 10
# The callback belongs to the checkout; what happens later has none.
_AFTERMATHS = (Status.REFUNDED, Status.REVERSED)


class Deliveries:
    """
    Sends in threads of the background; without one, what is due when `send_due` is called.

    What is still to be sent is in the store: who opens that again can go on with it.
    """

    def __init__(
        self,
        config: SandboxConfig,
        store: Store,
        faults: FaultSwitches,
        now: Callable[[], datetime],
        background: Background | None,
    ) -> None:
        self._config = config
        self._store = store
        self._faults = faults
        self._now = now
        self._background = background

    def announce(self, transaction: Transaction) -> None:
        """Begin to tell Guzo of the present state; return at once. Not for pending ones."""
        self._announce(transaction, "webhook")
        if transaction.callback_url and transaction.status not in _AFTERMATHS:
            self._announce(transaction, "callback")

    def resume(self) -> None:
        """Begin what an earlier process left to be sent."""
        for delivery in self._store.deliveries():
            self._begin(delivery)

    def send_due(self) -> None:
        """Send what is due by the clock, one after another."""
        while due := [each for each in self._store.deliveries() if each.due_at <= self._now()]:
            for delivery in sorted(due, key=lambda each: each.due_at):
                self._try(delivery)

    def send_again(
        self, transaction: Transaction, *, times: int, at_once: bool, fault: str = ""
    ) -> list[int | None]:
        """
        Send the present webhook again, even if webhooks are off; return the HTTP statuses.

        Its form is wrong only as `fault` says, one of `FORMS`; what is claimed is claimed here too.
        """
        first = self._make(transaction, "webhook", fault)
        # Each is a webhook of its own, and not another try of one.
        wanted = [first] * times
        if not at_once:
            return [self._send(each) for each in wanted]
        start = Barrier(times)

        def send_with_all(delivery: Delivery) -> int | None:
            start.wait()
            return self._send(delivery)

        with ThreadPoolExecutor(times) as pool:
            return list(pool.map(send_with_all, wanted))

    def _announce(self, transaction: Transaction, kind: str) -> None:
        fault = self._faults.choose(kind, transaction.tx_ref)
        if fault == "off":
            return
        for _ in range(2 if fault == "duplicate" else 1):
            delivery = self._make(transaction, kind, "" if fault == "on" else fault)
            if fault == "drop":
                self._record(delivery, http_status=None, problem="dropped")
                return
            if fault in ("delay", "reorder"):
                later = delivery.due_at + timedelta(seconds=self._config.delay_s)
                delivery = replace(delivery, due_at=later, held_back=fault == "reorder")
            self._store.add_delivery(delivery)
            self._begin(delivery)

    def _make(self, transaction: Transaction, kind: str, fault: str = "") -> Delivery:
        claim = self._faults.choose("claim", transaction.tx_ref)
        return Delivery(
            tx_ref=transaction.tx_ref,
            told=claimed(transaction, claim, self._faults.of(transaction.tx_ref).amount),
            kind=kind,
            number=1,
            due_at=self._now(),
            fault=fault,
        )

    def _begin(self, delivery: Delivery) -> None:
        if self._background is not None:
            self._background.begin(partial(self._see_through, delivery))

    def _see_through(self, delivery: Delivery, given_up: Event) -> None:
        upcoming: Delivery | None = delivery
        while upcoming is not None:
            if given_up.wait(max(0.0, (upcoming.due_at - self._now()).total_seconds())):
                return
            upcoming = self._try(upcoming)

    def _try(self, delivery: Delivery) -> Delivery | None:
        """Send it once; return what is to be tried next, as the store has it too."""
        if delivery.held_back:
            held, delivery = delivery, replace(delivery, held_back=False)
            # Else it was overtaken, and who let it go sees it through.
            if not self._store.swap_delivery(held, delivery):
                return None
        if getattr(self._faults.of(delivery.tx_ref), delivery.kind) == "off":
            self._store.swap_delivery(delivery, None)
            return None
        upcoming = None
        taken = self._send(delivery) == 200
        if not taken and delivery.kind == "webhook" and delivery.number < MAX_DELIVERIES:
            due_at = self._now() + timedelta(seconds=self._config.retry_s)
            upcoming = replace(delivery, number=delivery.number + 1, due_at=due_at)
        if not self._store.swap_delivery(delivery, upcoming):
            return None
        if delivery.kind == "webhook":
            self._let_go(delivery.tx_ref)
        return upcoming

    def _let_go(self, tx_ref: str) -> None:
        """Send what was held back, now that another webhook has overtaken it."""
        for held in self._store.deliveries():
            if held.held_back and held.tx_ref == tx_ref:
                free = replace(held, held_back=False, due_at=self._now())
                if self._store.swap_delivery(held, free):
                    self._begin(free)

    def _send(self, delivery: Delivery) -> int | None:
        sent_at = self._now()
        http_status, problem = send(delivery, self._config)
        self._record(replace(delivery, due_at=sent_at), http_status, problem)
        return http_status

    def _record(self, delivery: Delivery, http_status: int | None, problem: str) -> None:
        self._store.record(
            Attempt(
                tx_ref=delivery.tx_ref,
                kind=delivery.kind,
                event=bodies.event_name(delivery.told),
                url=url_of(delivery, self._config),
                number=delivery.number,
                sent_at=delivery.due_at,
                http_status=http_status,
                problem=problem,
                fault=delivery.fault,
            )
        )
