"""A person's right to see what is held about them, and to be forgotten: the rooms, composed."""

from datetime import datetime
from typing import Any

import structlog
from django.db import transaction
from django.db.models import QuerySet

from bookings.services.personal_data import bookings_in_the_way, export_bookings
from core.errors import Conflict, NotFound
from core.models import User
from core.personal_data import erase_account, export_account
from payments.services.personal_data import erase_payer, export_payments, payments_in_the_way

log = structlog.get_logger(__name__)


class PersonUnknown(NotFound):
    """Nobody has this address."""

    code = "person_unknown"


class ErasureRefused(Conflict):
    """This person cannot be erased yet."""

    code = "erasure_refused"


def export_person(email: str) -> dict[str, Any]:
    """
    Return everything that is held about a person.

    :raises PersonUnknown: if no account has the address.
    """
    user = _person(User.objects.all(), email)
    return {
        "account": export_account(user),
        **export_bookings(user),
        "payments": export_payments(user),
    }


def erase_person(
    *, email: str, actor: str, reason: str, at: datetime, dry_run: bool = False
) -> dict[str, int]:
    """
    Forget a person; return how much was removed, or in a dry run would be.

    What money and law need stays under an id that leads to nobody: bookings, payments, ledger,
    evidence, events. Safe to repeat: the address then belongs to nobody.

    :raises PersonUnknown: if no account has the address.
    :raises ErasureRefused: while a stay, a payment, a refund or a host's offer is not over.
    """
    with transaction.atomic():
        # The account's lock comes first, as in hold_booking: no booking slips in meanwhile.
        user = _person(User.objects.select_for_update(no_key=True), email)
        if in_the_way := [*bookings_in_the_way(user, at=at), *payments_in_the_way(user)]:
            raise ErasureRefused(" ".join(in_the_way))
        removed = {
            **erase_payer(user),
            **erase_account(user, actor=actor, reason=reason, at=at),
        }
        transaction.set_rollback(dry_run)
    if not dry_run:
        log.warning("person.erased", user_id=str(user.id))
    return removed


def _person(people: QuerySet[User], email: str) -> User:
    user = people.filter(email=email.lower()).first()
    if user is None:
        raise PersonUnknown
    return user
