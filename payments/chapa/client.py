"""Ask Chapa: open a checkout, say what became of it, close it, give money back, list."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from urllib.parse import quote, urlsplit

from payments.chapa.transport import Answer, NoAnswer, Transport
from payments.chapa.wire import (
    Balances,
    Cancellation,
    CheckoutRequest,
    Evidence,
    Initialization,
    RefundSubmission,
    RefundVerification,
    TransactionEvents,
    TransactionPage,
    Verification,
    check_reference,
    check_tx_ref,
    mode_of_key,
    parse_balances,
    parse_cancellation,
    parse_initialization,
    parse_refund_submission,
    parse_refund_verification,
    parse_transaction_events,
    parse_transaction_page,
    parse_verification,
    refund_form,
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
        UNKNOWN the checkout may exist; only `verify` can tell. An amount over Chapa's million is
        REFUSED without asking.
        """
        if problem := request.find_refusal():
            return Initialization.unsent(problem)
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

    def refund(
        self,
        gateway_reference: str,
        *,
        money_amount: Decimal,
        currency: str,
        reference: str,
        reason: str,
    ) -> RefundSubmission:
        """
        Ask Chapa to give back some or all of a payment, in major units.

        `gateway_reference` is Chapa's reference of the payment, `reference` ours of this refund.
        Chapa takes one reference once, so repeating the call gives nothing back twice: it is then
        USED_BEFORE, or REFUSED with `exceeds` where less is left. After UNKNOWN the money may be on
        its way: the one tells that it is, the other suggests it, and nothing tells that it is not.

        :raises ValueError: if either reference is malformed, the amount is not positive and exact
            to two decimals, or the currency is neither ETB nor USD.
        """
        path = f"/refund/{check_reference(gateway_reference)}"
        form = refund_form(
            money_amount=money_amount, currency=currency, reference=reference, reason=reason
        )
        answer = self._ask("POST", path, form=form)
        if isinstance(answer, NoAnswer):
            return RefundSubmission.unanswered(_evidence(answer), answer.http_status)
        seen = parse_refund_submission(answer.http_status, answer.body)
        return replace(seen, retry_after=answer.retry_after)

    def verify_refund(self, refund_reference: str) -> RefundVerification:
        """
        Return how far Chapa is with one refund, by Chapa's reference of it. Changes nothing.

        :raises ValueError: if the reference is malformed.
        """
        answer = self._ask("GET", f"/refund/{check_reference(refund_reference)}/verify")
        if isinstance(answer, NoAnswer):
            return RefundVerification.unanswered(_evidence(answer), answer.http_status)
        seen = parse_refund_verification(answer.http_status, answer.body)
        return replace(seen, retry_after=answer.retry_after)

    def list_transactions(self, *, page: int, per_page: int = 100) -> TransactionPage:
        """
        Return one page of the account's transactions; the first page is 1. Changes nothing.

        Chapa may give fewer than `per_page`, and what comes in between shifts the pages.

        :raises ValueError: if one of the numbers is not positive.
        """
        if page < 1 or per_page < 1:
            raise ValueError("page and per_page must be positive")
        answer = self._ask("GET", f"/transactions?page={page}&per_page={per_page}")
        if isinstance(answer, NoAnswer):
            return TransactionPage.unanswered(_evidence(answer), answer.http_status, page=page)
        seen = parse_transaction_page(answer.http_status, answer.body, page=page)
        return replace(seen, retry_after=answer.retry_after)

    def transaction_events(self, gateway_reference: str) -> TransactionEvents:
        """
        Return what happened on the checkout page of one payment, by Chapa's reference of it.

        :raises ValueError: if the reference is malformed.
        """
        answer = self._ask("GET", f"/transaction/events/{check_reference(gateway_reference)}")
        if isinstance(answer, NoAnswer):
            return TransactionEvents.unanswered(_evidence(answer), answer.http_status)
        seen = parse_transaction_events(answer.http_status, answer.body)
        return replace(seen, retry_after=answer.retry_after)

    def balances(self) -> Balances:
        """Return what the account holds. Changes nothing."""
        answer = self._ask("GET", "/balances")
        if isinstance(answer, NoAnswer):
            return Balances.unanswered(_evidence(answer), answer.http_status)
        seen = parse_balances(answer.http_status, answer.body)
        return replace(seen, retry_after=answer.retry_after)

    def close(self) -> None:
        """Give up the kept connections; the client still works afterwards."""
        self._transport.close()

    def _ask(
        self,
        method: str,
        path: str,
        payload: Mapping[str, object] | None = None,
        *,
        form: Mapping[str, str] | None = None,
    ) -> Answer | NoAnswer:
        try:
            return self._transport.ask(method, path, payload, form=form)
        except NoAnswer as silence:
            return silence


def _path_part(tx_ref: str) -> str:
    return quote(check_tx_ref(tx_ref), safe="")


def _evidence(silence: NoAnswer) -> Evidence:
    evidence: Evidence = {"problem": silence.problem}
    return evidence | {"cause": silence.cause} if silence.cause else evidence
