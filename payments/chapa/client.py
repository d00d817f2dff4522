"""Ask Chapa: open a checkout, say what became of it, close it, give money back, list."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TypeVar
from urllib.parse import quote, urlsplit

from payments.chapa.transport import NoAnswer, Transport
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

S = TypeVar(
    "S",
    Initialization,
    Verification,
    Cancellation,
    RefundSubmission,
    RefundVerification,
    TransactionPage,
    TransactionEvents,
    Balances,
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
        return self._ask(
            "POST",
            "/transaction/initialize",
            Initialization.unanswered,
            partial(
                parse_initialization,
                checkout_hosts=self._checkout_hosts,
                allow_http=self._allow_http,
            ),
            payload=request.to_wire(),
        )

    def verify(self, tx_ref: str) -> Verification:
        """
        Return what Chapa holds about one reference. Changes nothing.

        :raises ValueError: if the reference is not one that Guzo could have made.
        """
        path = f"/transaction/verify/{_path_part(tx_ref)}"
        return self._ask("GET", path, Verification.unanswered, parse_verification)

    def cancel(self, tx_ref: str) -> Cancellation:
        """
        Expire the checkout link for ever. Safe to repeat: then it is ALREADY_CLOSED.

        A payment under way may still succeed; verify afterwards.

        :raises ValueError: if the reference is not one that Guzo could have made.
        """
        path = f"/transaction/cancel/{_path_part(tx_ref)}"
        return self._ask("PUT", path, Cancellation.unanswered, parse_cancellation)

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
        return self._ask(
            "POST", path, RefundSubmission.unanswered, parse_refund_submission, form=form
        )

    def verify_refund(self, refund_reference: str) -> RefundVerification:
        """
        Return how far Chapa is with one refund, by Chapa's reference of it. Changes nothing.

        :raises ValueError: if the reference is malformed.
        """
        path = f"/refund/{check_reference(refund_reference)}/verify"
        return self._ask("GET", path, RefundVerification.unanswered, parse_refund_verification)

    def list_transactions(self, *, page: int, per_page: int = 100) -> TransactionPage:
        """
        Return one page of the account's transactions; the first page is 1. Changes nothing.

        Chapa may give fewer than `per_page`, and what comes in between shifts the pages.

        :raises ValueError: if one of the numbers is not positive.
        """
        if page < 1 or per_page < 1:
            raise ValueError("page and per_page must be positive")
        path = f"/transactions?page={page}&per_page={per_page}"
        read = partial(parse_transaction_page, page=page)
        return self._ask("GET", path, partial(TransactionPage.unanswered, page=page), read)

    def transaction_events(self, gateway_reference: str) -> TransactionEvents:
        """
        Return what happened on the checkout page of one payment, by Chapa's reference of it.

        :raises ValueError: if the reference is malformed.
        """
        path = f"/transaction/events/{check_reference(gateway_reference)}"
        return self._ask("GET", path, TransactionEvents.unanswered, parse_transaction_events)

    def balances(self) -> Balances:
        """Return what the account holds. Changes nothing."""
        return self._ask("GET", "/balances", Balances.unanswered, parse_balances)

    def close(self) -> None:
        """Give up the kept connections; the client still works afterwards."""
        self._transport.close()

    def _ask(
        self,
        method: str,
        path: str,
        unanswered: Callable[[Evidence, int | None], S],
        parse: Callable[[int, bytes], S],
        *,
        payload: Mapping[str, object] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> S:
        """
        Ask once; each call says itself what its answer means, and what silence does.

        Beside it stands for how long Chapa wishes not to be asked.
        """
        try:
            answer = self._transport.ask(method, path, payload, form=form)
        except NoAnswer as silence:
            return unanswered(_evidence(silence), silence.http_status)
        return replace(parse(answer.http_status, answer.body), retry_after=answer.retry_after)


def _path_part(tx_ref: str) -> str:
    return quote(check_tx_ref(tx_ref), safe="")


def _evidence(silence: NoAnswer) -> Evidence:
    evidence: Evidence = {"problem": silence.problem}
    return evidence | {"cause": silence.cause} if silence.cause else evidence
