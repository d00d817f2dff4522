"""What an account holds about a person: to be shown to them, and to be forgotten."""

from datetime import datetime
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from knox.models import AuthToken

from core.models import IdempotencyRecord, User


def export_account(user: User) -> dict[str, Any]:
    """Return what is held but for the password's hash and what proves a login."""
    return {
        "id": user.id,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "phone_number": user.phone_number,
        "language": user.language,
        "joined_at": user.joined_at,
        "last_login": user.last_login,
        "is_active": user.is_active,
        "is_staff": user.is_staff,
        "logins": list(AuthToken.objects.filter(user=user).values("created", "expiry")),
        "admin_sessions": len(_sessions_of(user)),
        "idempotency_keys": list(
            IdempotencyRecord.objects.filter(principal=user.id)
            .order_by("created_at")
            .values("key", "resource_id", "created_at")
        ),
    }


def erase_account(user: User, *, actor: str, reason: str, at: datetime) -> dict[str, int]:
    """
    Forget who a locked account belonged to and end its logins; return what was removed.

    Its id stays, for ledger and bookings refer to it. The address is free for somebody new.
    """
    sessions = Session.objects.filter(session_key__in=_sessions_of(user))
    removed = {
        "logins": AuthToken.objects.filter(user=user).delete()[0],
        "admin sessions": sessions.delete()[0],
        "idempotency keys": IdempotencyRecord.objects.filter(principal=user.id).delete()[0],
    }
    LogEntry.objects.filter(object_id=str(user.id)).update(object_repr="erased")
    user.groups.clear()
    user.user_permissions.clear()
    user.email = f"{user.id}@erased.invalid"
    user.first_name = user.last_name = user.phone_number = ""
    user.language = User.Language.ENGLISH
    user.last_login = None
    user.is_active = user.is_staff = user.is_superuser = False
    user.erased_at, user.erased_by, user.erased_because = at, actor, reason
    user.set_unusable_password()
    user.save()
    return removed


def _sessions_of(user: User) -> list[str]:
    """Only operators have sessions, and whose one is stands inside it: all few are read."""
    return [
        session.session_key
        for session in Session.objects.all()
        if session.get_decoded().get("_auth_user_id") == str(user.id)
    ]
