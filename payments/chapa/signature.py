"""Sign and check webhook bodies the way Chapa does. Pure."""

import hashlib
import hmac
import re
from collections.abc import Sequence

_SHA256_HEX = re.compile(r"[0-9a-f]{64}")


def sign(body: bytes, secret: str) -> str:
    """
    Return the lowercase hex HMAC-SHA256 of the exact bytes of a webhook body.

    This is Chapa's `x-chapa-signature`. The key is the webhook secret hash of the dashboard,
    not the API key. Source: docs/chapa.md, "Signatures".
    """
    return hmac.new(secret.encode("utf-8", "surrogateescape"), body, hashlib.sha256).hexdigest()


def matching_secret(body: bytes, signature: str, secrets: Sequence[str]) -> int | None:
    """
    Return the index of the first secret that signed these bytes, or None.

    Any text is accepted as a signature. An empty secret never matches: its signature could be
    made by anybody.
    """
    if not _SHA256_HEX.fullmatch(signature):
        return None
    found: int | None = None
    # Every secret is compared, so that the time taken does not tell which of them matched.
    for index, secret in enumerate(secrets):
        equal = hmac.compare_digest(sign(body, secret), signature)
        if equal and secret and found is None:
            found = index
    return found
