"""
Read Chapa's answers. Pure, and no function here raises on any bytes.

Every shape and sentence is described with its source in docs/chapa.md. The HTTP status is read
first: error bodies of every kind carry `"status": "failed"`. Sentences are searched for words,
never compared: Chapa's own pages print them with different apostrophes and endings.
"""

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from payments.chapa.wire.answers import (
    Cancellation,
    Closing,
    Initialization,
    Opening,
    Outcome,
    Verification,
)
from payments.chapa.wire.reading import (
    Envelope,
    evidence_of,
    read_currency,
    read_envelope,
    read_number,
    read_reference,
    read_text,
    refuses_our_key,
    says_nothing,
    says_used_before,
)

_DEFINITE_REFUSALS = (
    "is not supported",
    "header settings",
    "receive payments",
    "subaccount id",
    "enough to cover",
    "greater than split",
)

_STATUSES = {
    "success": Outcome.PAID,
    "pending": Outcome.PENDING,
    "failed": Outcome.FAILED,
    "cancelled": Outcome.CANCELLED,
    "failed/cancelled": Outcome.CANCELLED,
    "refunded": Outcome.REFUNDED,
    "reversed": Outcome.REVERSED,
}

_LONGEST_URL = 2000


def parse_initialization(
    http_status: int, body: bytes, checkout_hosts: Collection[str], *, allow_http: bool = False
) -> Initialization:
    """
    Read the answer to `POST transaction/initialize`.

    Opened only with a checkout URL on one of `checkout_hosts` (host or host:port), over TLS
    unless `allow_http`; a traveller is never sent anywhere else.
    """
    envelope = read_envelope(body)
    checkout_url = _checkout_url(envelope)
    pinned = _is_pinned(checkout_url, checkout_hosts, allow_http=allow_http)
    opening = _opening(http_status, envelope, has_pinned_url=pinned)
    evidence = evidence_of(envelope, body)
    if checkout_url:
        evidence["checkout_host"] = _host(checkout_url)
    return Initialization(
        opening=opening,
        checkout_url=checkout_url if opening is Opening.OPENED else None,
        http_status=http_status,
        evidence=evidence,
    )


def parse_verification(http_status: int, body: bytes) -> Verification:
    """Read the answer to `GET transaction/verify/{tx_ref}`."""
    envelope = read_envelope(body)
    data: Mapping[str, object] = (envelope.data if envelope else None) or {}
    return Verification(
        outcome=_outcome(http_status, envelope),
        amount=read_number(data.get("amount")),
        currency=read_currency(data.get("currency")),
        tx_ref=read_text(data.get("tx_ref")),
        mode=read_text(data.get("mode")),
        reference=read_reference(data.get("reference")),
        charge=read_number(data.get("charge")),
        method=read_text(data.get("method")) or read_text(data.get("payment_method")),
        http_status=http_status,
        evidence=evidence_of(envelope, body),
    )


def parse_cancellation(http_status: int, body: bytes) -> Cancellation:
    """Read the answer to `PUT transaction/cancel/{tx_ref}`."""
    envelope = read_envelope(body)
    return Cancellation(
        closing=_closing(http_status, envelope),
        http_status=http_status,
        evidence=evidence_of(envelope, body),
    )


def _opening(http_status: int, envelope: Envelope | None, *, has_pinned_url: bool) -> Opening:
    if refuses_our_key(http_status, envelope):
        return Opening.CONFIG_ERROR
    if envelope is None:
        return Opening.UNKNOWN
    message = envelope.message.lower()
    if http_status == 200 and envelope.status == "success":
        return Opening.OPENED if has_pinned_url else Opening.UNKNOWN
    if http_status == 404 and "disabled" in message:
        return Opening.CONFIG_ERROR
    # Older answers carried the same failures under HTTP 200.
    if http_status not in (200, 400) or envelope.status != "failed" or envelope.data is not None:
        return Opening.UNKNOWN
    if says_used_before(message):
        return Opening.USED_BEFORE
    if envelope.has_field_messages or any(words in message for words in _DEFINITE_REFUSALS):
        return Opening.REFUSED
    return Opening.UNKNOWN


def _outcome(http_status: int, envelope: Envelope | None) -> Outcome:
    if refuses_our_key(http_status, envelope):
        return Outcome.CONFIG_ERROR
    if says_nothing(http_status) or envelope is None:
        return Outcome.TRANSIENT
    if http_status == 200 and envelope.data is not None:
        return _settled_outcome(envelope, envelope.data)
    message = envelope.message.lower()
    if http_status in (200, 400, 404) and envelope.data is None:
        if "not paid" in message:
            return Outcome.PENDING
        # "Not found" alone may be a router's word about the path.
        if "transaction" in message and ("invalid" in message or "not found" in message):
            return Outcome.NOT_FOUND
    return Outcome.UNRECOGNISED


def _settled_outcome(envelope: Envelope, data: Mapping[str, object]) -> Outcome:
    outcome = _STATUSES.get(read_text(data.get("status")).lower(), Outcome.UNRECOGNISED)
    if outcome is Outcome.PAID:
        amount = read_number(data.get("amount"))
        if envelope.status != "success" or amount is None or amount <= 0:
            return Outcome.UNRECOGNISED
    return outcome


def _closing(http_status: int, envelope: Envelope | None) -> Closing:
    if refuses_our_key(http_status, envelope):
        return Closing.CONFIG_ERROR
    if envelope is None:
        return Closing.UNKNOWN
    message = envelope.message.lower()
    if http_status == 200 and envelope.status == "success":
        return Closing.CLOSED
    if http_status not in (200, 400, 404) or envelope.status != "failed":
        return Closing.UNKNOWN
    if "already" in message and ("expired" in message or "cancel" in message):
        return Closing.ALREADY_CLOSED
    if "not found" in message:
        return Closing.NOT_FOUND
    return Closing.REFUSED if http_status == 400 else Closing.UNKNOWN


def _checkout_url(envelope: Envelope | None) -> str:
    data = (envelope.data if envelope else None) or {}
    checkout_url = data.get("checkout_url")
    # Browsers and parsers disagree about URLs with spaces, controls and backslashes.
    if not isinstance(checkout_url, str) or len(checkout_url) > _LONGEST_URL:
        return ""
    plain = all("!" <= letter <= "~" and letter != "\\" for letter in checkout_url)
    return checkout_url if plain else ""


def _is_pinned(checkout_url: str, checkout_hosts: Collection[str], *, allow_http: bool) -> bool:
    try:
        parts = urlsplit(checkout_url)
    except ValueError:
        return False
    schemes = ("https", "http") if allow_http else ("https",)
    hosts = {host.lower() for host in checkout_hosts if host}
    return parts.scheme in schemes and parts.netloc.lower() in hosts


def _host(checkout_url: str) -> str:
    try:
        return read_text(urlsplit(checkout_url).hostname)
    except ValueError:
        return ""
