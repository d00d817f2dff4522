"""Ask Chapa: open a checkout, say what became of it, close it."""

from collections.abc import Collection
from dataclasses import replace
from urllib.parse import quote, urlsplit

from payments.chapa.transport import Answer, NoAnswer, Transport
from payments.chapa.wire import (
    Cancellation,
    CheckoutRequest,
    Evidence,
    Initialization,
    Verification,
    check_tx_ref,
    mode_of_key,
    parse_cancellation,
    parse_initialization,
    parse_verification,
)


class ChapaClient:
    """
    Chapa's v1 API, for one secret key. May be shared by threads.

    No method raises for trouble with Chapa or the network: it answers UNKNOWN or TRANSIENT, with
    evidence that names the problem. No call is ever repeated or redirected, and none takes
    longer than both timeouts together, whatever name servers and slow answers do.

    `checkout_hosts` are the hosts (host or host:port) a traveller may be sent to.

    :raises ValueError: if the key is not a v1 secret key or the base URL is not a URL.
    """

    def __init__(
        self,
        *,
        base_url: str,
        secret_key: str,
        checkout_hosts: Collection[str],
        connect_timeout_s: float,
        read_timeout_s: float,
    ) -> None:
        address = urlsplit(base_url)
        if address.scheme not in ("https", "http") or not address.hostname or address.query:
            raise ValueError("base_url must look like https://api.chapa.co/v1")
        self.mode = mode_of_key(secret_key)
        self._checkout_hosts = frozenset(checkout_hosts)
        self._allow_http = address.scheme == "http"
        self._transport = Transport(
            base_url=base_url.rstrip("/"),
            secret_key=secret_key,
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
        )

    def initialize(self, request: CheckoutRequest) -> Initialization:
        """
        Open a checkout.

        Repeating it with the same reference opens no second one: Chapa answers USED_BEFORE. After
        UNKNOWN the checkout may exist; only `verify` can tell.
        """
        answer = self._ask("POST", "/transaction/initialize", request.to_wire())
        if isinstance(answer, NoAnswer):
            return Initialization.unanswered(_evidence(answer), answer.http_status)
        return parse_initialization(
            answer.http_status, answer.body, self._checkout_hosts, allow_http=self._allow_http
        )

    def verify(self, tx_ref: str) -> Verification:
        """
        Return what Chapa holds about one reference. Changes nothing.

        :raises ValueError: if the reference is not one that Guzo could have made.
        """
        answer = self._ask("GET", f"/transaction/verify/{_path_part(tx_ref)}")
        if isinstance(answer, NoAnswer):
            return Verification.unanswered(_evidence(answer), answer.http_status)
        seen = parse_verification(answer.http_status, answer.body)
        return replace(seen, retry_after=answer.retry_after)

    def cancel(self, tx_ref: str) -> Cancellation:
        """
        Expire the checkout link for ever. Safe to repeat: then it is ALREADY_CLOSED.

        A payment under way may still succeed; verify afterwards.

        :raises ValueError: if the reference is not one that Guzo could have made.
        """
        answer = self._ask("PUT", f"/transaction/cancel/{_path_part(tx_ref)}")
        if isinstance(answer, NoAnswer):
            return Cancellation.unanswered(_evidence(answer), answer.http_status)
        return parse_cancellation(answer.http_status, answer.body)

    def close(self) -> None:
        """Give up the kept connections; the client still works afterwards."""
        self._transport.close()

    def _ask(
        self, method: str, path: str, payload: dict[str, object] | None = None
    ) -> Answer | NoAnswer:
        try:
            return self._transport.ask(method, path, payload)
        except NoAnswer as silence:
            return silence


def _path_part(tx_ref: str) -> str:
    return quote(check_tx_ref(tx_ref), safe="")


def _evidence(silence: NoAnswer) -> Evidence:
    evidence: Evidence = {"problem": silence.problem}
    return evidence | {"cause": silence.cause} if silence.cause else evidence
