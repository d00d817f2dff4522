"""What statements found: noted where it is new, until it is gone or a person resolves it."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Count, Q, QuerySet

from core.errors import Conflict, NotFound, read_reason
from events.outbox import record
from payments.events import StatementDiffered
from payments.models import Statement, StatementDifference
from payments.statement import Difference, Window

log = structlog.get_logger(__name__)

STATES = ("open", "resolved", "gone")


class DifferenceUnknown(NotFound):
    """There is no such difference."""

    code = "difference_unknown"


class DifferenceNotOpen(Conflict):
    """Nothing about this difference waits for a person."""

    code = "difference_not_open"


def differences_in(state: str) -> QuerySet[StatementDifference]:
    """Return those that are `open`, `resolved` or `gone`."""
    found = StatementDifference.objects.filter(gone_at__isnull=state != "gone")
    return found if state == "gone" else found.filter(resolved_at__isnull=state == "open")


def count_open_differences() -> dict[str, int]:
    """Return how many of each kind wait for a person."""
    kinds = differences_in("open").order_by("kind").values_list("kind")
    return dict(kinds.annotate(Count("id")))


def note_differences(
    statement: Statement,
    found: Collection[Difference],
    looked_at: Collection[str],
    window: Window,
    at: datetime,
) -> dict[str, int]:
    """
    Write down what a statement found, and that what it did not find any more is gone.

    Call inside a transaction in which no other statement can end; repeating changes nothing but
    when it was last seen. What a person resolved stays so unless its facts are others now.
    `looked_at` are all references that were compared.
    """
    known = {
        (each.reference, each.kind): each
        for each in StatementDifference.objects.select_for_update().filter(
            reference__in={each.reference for each in found}
        )
    }
    counts: Counter[str] = Counter(differences=len(found), new=0, reopened=0)
    still_there = []
    for difference in found:
        row = known.get((difference.reference, difference.kind))
        if row is None:
            row = StatementDifference(
                reference=difference.reference, kind=difference.kind, first_seen_at=at
            )
            counts["new"] += 1
        counts["reopened"] += _write(row, difference, statement, at)
        still_there.append(row.id)
    within = Q(happened_at__gte=window.begins, happened_at__lt=window.ends)
    counts["gone"] = (
        StatementDifference.objects.filter(within | Q(reference__in=looked_at), gone_at=None)
        .exclude(id__in=still_there)
        .update(gone_at=at)
    )
    if counts["new"] or counts["reopened"]:
        log.error("statement.differs", new=counts["new"], reopened=counts["reopened"])
        record(
            StatementDiffered(
                statement_id=statement.id, since=statement.since, until=statement.until
            ),
            at=at,
        )
    return dict(counts)


def resolve_difference(
    *, difference_id: UUID, reason: str, person: str, at: datetime
) -> StatementDifference:
    """
    Say why a difference may stand. It moves no money, and is kept.

    :raises DifferenceUnknown: if there is no such difference.
    :raises ReasonMissing: if no reason is given.
    :raises DifferenceNotOpen: if it is resolved already, or gone.
    """
    why = read_reason(reason)
    with transaction.atomic():
        row = StatementDifference.objects.select_for_update().filter(id=difference_id).first()
        if row is None:
            raise DifferenceUnknown
        if row.state != "open":
            raise DifferenceNotOpen(f"It is {row.state}.")
        row.resolved_at = at
        row.resolutions.append(
            {
                "at": at.isoformat(),
                "person": person,
                "reason": why,
                "here": row.here,
                "there": row.there,
            }
        )
        row.save(update_fields=["resolved_at", "resolutions"])
    log.warning("statement.resolved", difference_id=str(row.id))
    return row


def _write(
    row: StatementDifference, difference: Difference, statement: Statement, at: datetime
) -> bool:
    """Return whether what was resolved, or gone, is open again."""
    is_new = row._state.adding
    was_open = not is_new and row.state == "open"
    facts = (difference.here, difference.there)
    if row.resolved_at is not None and (row.here, row.there) != facts:
        row.resolved_at = None
    row.here, row.there = facts
    row.payment_id = difference.payment_id
    row.happened_at = difference.happened_at
    row.last_seen_at, row.gone_at = at, None
    opens = not was_open and row.state == "open"
    if opens:
        row.opened_in = statement
    row.save()
    return opens and not is_new
