"""Sign and check webhook bodies the way Chapa does. Pure."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence

#: Chapa sends both. Which of them signs the body is the dashboard's choice (custom webhooks).
SIGNATURE_HEADERS = ("x-chapa-signature", "chapa-signature")
_SHA256_HEX = re.compile(r"[0-9a-f]{64}")


def sign(body: bytes, secret: str) -> str:
    """
    Return the lowercase hex HMAC-SHA256 of the exact bytes of a webhook body.

    This is Chapa's `x-chapa-signature`. The key is the webhook secret hash of the dashboard,
    not the API key. Source: docs/chapa.md, "Signatures".
    """
    return hmac.new(_bytes(secret), body, hashlib.sha256).hexdigest()


def constant_of(secret: str) -> str:
    """Return the secret signed with itself: Chapa's `chapa-signature`, the same on every call."""
    return sign(_bytes(secret), secret)


def matching_secret(body: bytes, signature: str, secrets: Sequence[str]) -> int | None:
    """
    Return the index of the first secret that signed these bytes, or None.

    Any text is accepted as a signature. An empty secret never matches: its signature could be
    made by anybody.
    """
    return _first_equal(signature, (sign(body, secret) if secret else "" for secret in secrets))


def is_constant(signature: str, secrets: Sequence[str]) -> bool:
    """
    Return whether this is the constant of one of the secrets.

    It proves that someone saw a delivery once, and nothing about any body.
    """
    constants = (constant_of(secret) if secret else "" for secret in secrets)
    return _first_equal(signature, constants) is not None


def _first_equal(signature: str, expected: Iterable[str]) -> int | None:
    if not _SHA256_HEX.fullmatch(signature):
        return None
    found: int | None = None
    # Every secret is compared, so that the time taken does not tell which of them matched.
    for index, each in enumerate(expected):
        if hmac.compare_digest(each, signature) and found is None:
            found = index
    return found


def _bytes(secret: str) -> bytes:
    return secret.encode("utf-8", "surrogateescape")
