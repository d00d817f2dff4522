"""One request to Guzo: a signed webhook, or the unsigned callback."""

import requests

from payments.chapa.sandbox import bodies
from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.delivery import Delivery
from payments.chapa.sandbox.transactions import Status, Transaction
from payments.chapa.signature import constant_of, sign

# Chapa's patience for one answer is not documented.
_TIMEOUT_S = 10.0


def signed_webhook(
    transaction: Transaction,
    secret: str,
    signature_header: str = "x-chapa-signature",
    fault: str = "",
) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of the webhook for a transaction that is no longer pending."""
    body = bodies.webhook(transaction)
    if fault == "escaped":
        # As PHP writes JSON. A slash stands nowhere but in texts.
        body = body.replace(b"/", b"\\/")
    headers = {
        "Content-Type": "application/json",
        # The same on every request, so it proves nothing; Chapa sends it all the same.
        "chapa-signature": constant_of(secret),
    }
    if fault == "constant":
        return body, headers
    # A custom webhook has its body's signature where others have the constant.
    key = f"not {secret}" if fault == "forge" else secret
    return body, headers | {signature_header: sign(body, key)}


def url_of(delivery: Delivery, config: SandboxConfig) -> str:
    """Return where a delivery goes."""
    if delivery.kind == "webhook":
        return config.deliver_to
    return config.reachable(delivery.told.callback_url or "")


def send(delivery: Delivery, config: SandboxConfig) -> tuple[int | None, str]:
    """Return the HTTP status, or None and the name of what was in the way."""
    with requests.Session() as session:
        session.trust_env = False
        deliver = _post_webhook if delivery.kind == "webhook" else _call_back
        try:
            return deliver(session, delivery, config).status_code, ""
        except requests.RequestException as trouble:
            return None, type(trouble).__name__


def _post_webhook(
    session: requests.Session, delivery: Delivery, config: SandboxConfig
) -> requests.Response:
    body, headers = signed_webhook(
        delivery.told, config.webhook_secrets[0], config.signature_header, delivery.fault
    )
    url = url_of(delivery, config)
    return session.post(url, data=body, headers=headers, timeout=_TIMEOUT_S, allow_redirects=False)


def _call_back(
    session: requests.Session, delivery: Delivery, config: SandboxConfig
) -> requests.Response:
    parameters = {
        "trx_ref": delivery.told.tx_ref,
        "ref_id": delivery.told.reference or "",
        "status": "success" if delivery.told.status is Status.SUCCESS else "failed",
    }
    url = url_of(delivery, config)
    return session.get(url, params=parameters, timeout=_TIMEOUT_S, allow_redirects=False)
