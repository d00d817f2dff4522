"""Tell Guzo what happened: signed webhooks, repeated until taken, and the unsigned callback."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from threading import Barrier, Event

import requests

from payments.chapa.sandbox import bodies
from payments.chapa.sandbox.background import Background
from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.faults import FaultSwitches
from payments.chapa.sandbox.store import Attempt, Store
from payments.chapa.sandbox.transactions import Status, Transaction
from payments.chapa.signature import constant_of, sign

# Chapa: 10 attempts, until HTTP 200. Its own patience for one answer is not documented.
MAX_DELIVERIES = 10
_TIMEOUT_S = 10.0
# The callback belongs to the checkout; what happens later has none.
_AFTERMATHS = (Status.REFUNDED, Status.REVERSED)


def signed_webhook(
    transaction: Transaction, secret: str, signature_header: str = "x-chapa-signature"
) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of the webhook for a transaction that is no longer pending."""
    body = bodies.webhook(transaction)
    headers = {
        "Content-Type": "application/json",
        # The same on every request, so it proves nothing; Chapa sends it all the same.
        "chapa-signature": constant_of(secret),
    }
    # A custom webhook has its body's signature where others have the constant.
    return body, headers | {signature_header: sign(body, secret)}


class Deliveries:
    """Sends in threads of its own and records each attempt in the store."""

    def __init__(
        self, config: SandboxConfig, store: Store, faults: FaultSwitches, background: Background
    ) -> None:
        self._config = config
        self._store = store
        self._faults = faults
        self._background = background

    def announce(self, transaction: Transaction) -> None:
        """Begin to tell Guzo of the present state; return at once. Not for pending ones."""
        told = self._with_claimed_amount(transaction)
        self._background.begin(partial(self._deliver_webhook, told))
        if transaction.callback_url and transaction.status not in _AFTERMATHS:
            self._background.begin(partial(self._call_back, told))

    def send_again(
        self, transaction: Transaction, *, times: int, at_once: bool
    ) -> list[int | None]:
        """Send the present webhook again, even if webhooks are off; return the HTTP statuses."""
        told = self._with_claimed_amount(transaction)
        numbers = range(1, times + 1)
        if not at_once:
            return [self._send_webhook(told, number=number) for number in numbers]
        start = Barrier(times)

        def send(number: int) -> int | None:
            start.wait()
            return self._send_webhook(told, number=number)

        with ThreadPoolExecutor(times) as pool:
            return list(pool.map(send, numbers))

    def _with_claimed_amount(self, transaction: Transaction) -> Transaction:
        return transaction.claiming(self._faults.now.amount)

    def _deliver_webhook(self, transaction: Transaction, dropped: Event) -> None:
        for number in range(1, MAX_DELIVERIES + 1):
            if dropped.is_set() or self._faults.now.webhook == "off":
                return
            if self._send_webhook(transaction, number=number) == 200:
                return
            dropped.wait(self._config.retry_s)

    def _send_webhook(self, transaction: Transaction, *, number: int) -> int | None:
        url = self._config.deliver_to
        body, headers = signed_webhook(
            transaction, self._config.webhook_secrets[0], self._config.signature_header
        )
        return self._attempt(
            transaction,
            kind="webhook",
            url=url,
            number=number,
            send=lambda session: session.post(
                url, data=body, headers=headers, timeout=_TIMEOUT_S, allow_redirects=False
            ),
        )

    def _call_back(self, transaction: Transaction, dropped: Event) -> None:
        if dropped.is_set() or self._faults.now.callback == "off":
            return
        url = self._config.reachable(transaction.callback_url or "")
        parameters = {
            "trx_ref": transaction.tx_ref,
            "ref_id": transaction.reference or "",
            "status": "success" if transaction.status is Status.SUCCESS else "failed",
        }
        self._attempt(
            transaction,
            kind="callback",
            url=url,
            number=1,
            send=lambda session: session.get(
                url, params=parameters, timeout=_TIMEOUT_S, allow_redirects=False
            ),
        )

    def _attempt(
        self,
        transaction: Transaction,
        *,
        kind: str,
        url: str,
        number: int,
        send: Callable[[requests.Session], requests.Response],
    ) -> int | None:
        sent_at = datetime.now(UTC)
        http_status, problem = None, ""
        with requests.Session() as session:
            session.trust_env = False
            try:
                http_status = send(session).status_code
            except requests.RequestException as trouble:
                problem = type(trouble).__name__
        self._store.record(
            Attempt(
                tx_ref=transaction.tx_ref,
                kind=kind,
                event=bodies.event_name(transaction),
                url=url,
                number=number,
                sent_at=sent_at,
                http_status=http_status,
                problem=problem,
            )
        )
        return http_status
