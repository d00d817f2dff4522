"""
Requests that may be sent twice.

The record is written in the commit that makes the resource, so a crash between commit and answer
leaves a resource that the repeat finds again. See draft-ietf-httpapi-idempotency-key-header.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from rest_framework.request import Request

from core.errors import Invalid, Unprocessable
from core.models import IdempotencyRecord


@dataclass(frozen=True)
class RequestKey:
    """A client's Idempotency-Key and the digest of what was asked with it."""

    key: str
    fingerprint: str


class IdempotencyKeyMissing(Invalid):
    """An Idempotency-Key header is required."""

    code = "idempotency_key_missing"


class IdempotencyKeyReused(Unprocessable):
    """This Idempotency-Key was used for another request."""

    code = "idempotency_key_reused"


def key_of(request: Request, *, required: bool) -> RequestKey | None:
    """
    Return the key of a request, tied to its path and body.

    :raises IdempotencyKeyMissing: if it is required and absent.
    :raises Invalid: if it is not 1 to 255 printable ASCII characters.
    """
    key = read_key(request.headers.get("Idempotency-Key"), required=required)
    if key is None:
        return None
    return RequestKey(key, fingerprint(request.path, {"body": request.data}))


def read_key(header: str | None, *, required: bool) -> str | None:
    """
    Return the key of a header, quoted (a structured-field string) or bare.

    :raises IdempotencyKeyMissing: if it is required and absent.
    :raises Invalid: if it is not 1 to 255 printable ASCII characters.
    """
    if header is None:
        if required:
            raise IdempotencyKeyMissing("Send a fresh UUID as Idempotency-Key; repeat it on retry.")
        return None
    key = header.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not 1 <= len(key) <= 255 or not all(" " <= letter <= "~" for letter in key):
        raise Invalid("Idempotency-Key must be 1 to 255 printable ASCII characters.")
    return key


def fingerprint(path: str, body: Mapping[str, object]) -> str:
    """Return a digest of what was asked; the order of a body's members does not matter."""
    text = json.dumps([path, body], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def was_used(*, principal: UUID, key: str) -> bool:
    """Whether a request with this key made something: its repeat is no new attempt."""
    return IdempotencyRecord.objects.filter(principal=principal, key=key).exists()


def find_resource(*, principal: UUID, key: str, fingerprint: str) -> UUID | None:
    """
    Return what the key made, or None if it is new. Call inside the transaction that will make it.

    Holds an advisory lock on the key until that transaction ends, so of two equal requests at once
    the second waits and then finds the first one's resource.

    :raises IdempotencyKeyReused: if the key made something for another request.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"{principal}:{key}"]
        )
    record = IdempotencyRecord.objects.filter(principal=principal, key=key).first()
    if record is None:
        return None
    if record.fingerprint != fingerprint:
        raise IdempotencyKeyReused("Use a fresh key for a different request.")
    return record.resource_id


def remember_resource(
    *, principal: UUID, key: str, fingerprint: str, resource_id: UUID, at: datetime
) -> None:
    """Tie the key to the resource made in this transaction."""
    IdempotencyRecord.objects.create(
        principal=principal,
        key=key,
        fingerprint=fingerprint,
        resource_id=resource_id,
        created_at=at,
    )
