"""How long the ground keeps what it need not keep for ever."""

from datetime import datetime, timedelta

from django.contrib.sessions.models import Session
from knox.models import AuthToken

from core.batches import in_batches, remove
from core.models import IdempotencyRecord
from core.throttling import forget_full_buckets

# A payment is watched for 7 days; nobody repeats a request for longer than that.
KEY_LIFE = timedelta(days=30)


def prune(*, at: datetime) -> dict[str, int]:
    """Remove old keys and what has ended; return how much of each. Safe to run several at once."""
    old_keys = IdempotencyRecord.objects.filter(created_at__lt=at - KEY_LIFE)
    return {
        "idempotency_keys": in_batches(old_keys, remove),
        "logins": in_batches(AuthToken.objects.filter(expiry__lt=at), remove),
        "sessions": in_batches(Session.objects.filter(expire_date__lt=at), remove),
        "throttles": forget_full_buckets(before=at),
    }
