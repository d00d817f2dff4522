"""Names for things, as people and other machines will see them."""

import hashlib
import secrets
from uuid import UUID, uuid4

# No 0/O, 1/I/L: a booking code is read out over the telephone.
_CODE_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"


def new_booking_code() -> str:
    """Return a code of eight letters, about 39 bits; unique by constraint, not by luck."""
    return "".join(secrets.choice(_CODE_LETTERS) for _ in range(8))


def new_tx_ref(payment_id: UUID) -> str:
    """Return the name of a payment at Chapa: 37 of the 50 characters [A-Za-z0-9_-] it allows."""
    return f"guzo-{payment_id.hex}"


def new_secret() -> str:
    """Return 128 random bits, safe in a path."""
    return secrets.token_urlsafe(16)


def digest(secret: str) -> str:
    """Return what may be stored of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_id() -> UUID:
    return uuid4()
