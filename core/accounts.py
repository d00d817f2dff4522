"""People and their logins."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from knox.models import AuthToken
from knox.settings import knox_settings

from core.errors import Invalid, Refusal
from core.models import User
from core.throttling import spend


class WeakPassword(Invalid):
    """The password is too weak."""

    code = "weak_password"


class CredentialsRejected(Refusal):
    """E-mail and password do not match."""

    code = "credentials_rejected"
    status = 401


class AccountClosed(Refusal):
    """This account is closed."""

    code = "account_closed"
    status = 403


# Each request reads all live logins of its owner, so there is an end to them.
MOST_LOGINS = 20
# Also what someone needs to read who signed up with an address that had an account before.
_REJECTED = (
    "Check both and try again. An address that had an account before keeps that account's password."
)


@dataclass(frozen=True)
class Login:
    token: str
    expires_at: datetime


def register_user(
    *,
    email: str,
    password: str,
    first_name: str,
    last_name: str,
    phone_number: str = "",
    language: str = User.Language.ENGLISH,
) -> User:
    """
    Make an account, unless the address, in whatever case, has one: that one stays as it is.

    Either way the same is done, and what was asked for is returned, so nobody learns which it was.
    Repeating a sign-up of which no answer came is safe.

    :raises WeakPassword: if the password fails Django's validators.
    """
    user = User(
        email=email.lower(),
        first_name=first_name,
        last_name=last_name,
        phone_number=phone_number,
        language=language,
    )
    try:
        validate_password(password, user)
    except ValidationError as weak:
        raise WeakPassword(" ".join(weak.messages), pointers={"/password": weak.messages}) from weak
    user.set_password(password)
    User.objects.bulk_create([user], ignore_conflicts=True)
    return user


def count_attempt(*, email: str, address: str, door: str, at: datetime) -> None:
    """
    Count one attempt to log in; `door` is the setting that limits the address there.

    From all addresses together an account may be tried far oftener than from one: nobody locks
    another out from a single place.

    :raises TooMany: if this address, or everybody, tried too often.
    """
    spend(door, who=address, at=at)
    spend("LOGINS_PER_ACCOUNT", who=f"{email.lower()} {address}", at=at)
    spend("LOGINS_PER_ACCOUNT_ANYWHERE", who=email.lower(), at=at)


def log_in(*, email: str, password: str) -> Login:
    """
    Return a fresh token; it is stored hashed and cannot be read again.

    A person has at most `MOST_LOGINS`: one more ends the oldest.

    An unknown address costs a hash as well: the time taken does not tell who has an account.

    :raises CredentialsRejected: for a wrong password, an unknown address or a closed account.
    """
    user = User.objects.filter(email=email.lower()).first()
    if user is None:
        make_password(password)
        raise CredentialsRejected(_REJECTED)
    if not check_password(password, user.password) or not user.is_active:
        raise CredentialsRejected(_REJECTED)
    record, token = AuthToken.objects.create(user, expiry=knox_settings.TOKEN_TTL)
    logins = AuthToken.objects.filter(user=user).order_by("-created")
    AuthToken.objects.filter(digest__in=logins.values("digest")[MOST_LOGINS:]).delete()
    return Login(token=token, expires_at=record.expiry)


def lock_account(user: User) -> None:
    """
    Let nobody else close, erase or lock an account until this transaction ends.

    The first lock of whoever takes several: before those of listings, bookings and payments.

    :raises AccountClosed: if it was closed since its owner came in.
    """
    still_there = User.objects.select_for_update(no_key=True).filter(id=user.id, is_active=True)
    if not still_there.exists():
        raise AccountClosed
