"""Check every invariant on one snapshot, and keep what was found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from django.db import DatabaseError, connection, transaction

from workers.invariants.base import Invariant, Scope, query_of, values_at
from workers.invariants.bookings import BOOKINGS
from workers.invariants.events import EVENTS
from workers.invariants.guards import DATABASE
from workers.invariants.payments import PAYMENTS
from workers.invariants.refunds import REFUNDS
from workers.models import InvariantCheck

log = structlog.get_logger(__name__)

INVARIANTS: Final = (*PAYMENTS, *REFUNDS, *BOOKINGS, *EVENTS, *DATABASE)
# For one invariant. All of them share a snapshot, which keeps dead rows of the queue meanwhile.
LONGEST_S: Final = {Scope.LATELY: 30, Scope.EVER: 300}
_SAMPLES = 5
# Nobody waits for it, so it takes one core, and compiles nothing: that takes longer than to run it.
_MODEST = "set local jit = off; set local max_parallel_workers_per_gather = 0"
_WALKS = {
    # Few of many: by the index, though while the tables are small a scan looks cheaper.
    Scope.LATELY: "set local enable_seqscan = off",
    Scope.EVER: "set local enable_seqscan = on",
}


@dataclass(frozen=True)
class Violation:
    """A row that offends: its key, and why."""

    key: str
    why: str


@dataclass(frozen=True)
class Finding:
    """How many rows offend against an invariant, and some of them; None: it was not found out."""

    invariant: Invariant
    violations: int | None
    samples: tuple[Violation, ...] = ()


Watch = Callable[[Invariant], None]


def check_invariants(
    *, at: datetime, scope: Scope, watch: Watch = lambda invariant: None
) -> list[Finding]:
    """
    Check all invariants on one snapshot of the database; keep and log what was found.

    `watch` is told of each before it is checked. What takes longer than `LONGEST_S` is broken off
    and not found out; the others are all the same. Repeating is safe, also at the same time.
    """
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read, read only")
        findings = find_violations(INVARIANTS, at=at, scope=scope, watch=watch)
    _keep(findings, at=at, scope=scope)
    for finding in findings:
        if finding.violations:
            log.error(
                "invariant.violated",
                invariant=finding.invariant.name,
                scope=scope.value,
                violations=finding.violations,
                keys=[violation.key for violation in finding.samples],
            )
    return findings


def find_violations(
    invariants: Sequence[Invariant],
    *,
    at: datetime,
    scope: Scope,
    watch: Watch = lambda invariant: None,
) -> list[Finding]:
    """Check these invariants in the transaction that is open; nothing is written."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"{_MODEST}; {_WALKS[scope]}; set local statement_timeout = '{LONGEST_S[scope]}s'"
        )
    findings = []
    for invariant in invariants:
        watch(invariant)
        findings.append(_find(invariant, at, scope))
    return findings


def _find(invariant: Invariant, at: datetime, scope: Scope) -> Finding:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(query_of(invariant, scope, samples=_SAMPLES), values_at(at))
            rows = cursor.fetchall()
    except DatabaseError as error:
        # One that cannot be checked must not hide what is wrong with the others.
        log.error(
            "invariant.not_checked",
            invariant=invariant.name,
            scope=scope.value,
            error=type(error.__cause__).__name__,
        )
        return Finding(invariant, None)
    samples = tuple(Violation(key, why) for _, key, why in rows)
    return Finding(invariant, rows[0][0] if rows else 0, samples)


def _keep(findings: Sequence[Finding], *, at: datetime, scope: Scope) -> None:
    """What was not found out keeps its last result, which grows old: /metrics shows both."""
    with transaction.atomic():
        InvariantCheck.objects.exclude(
            invariant__in=[finding.invariant.name for finding in findings]
        ).delete()
        InvariantCheck.objects.bulk_create(
            [
                InvariantCheck(
                    invariant=finding.invariant.name,
                    scope=scope.value,
                    violations=finding.violations,
                    checked_at=at,
                )
                for finding in findings
                if finding.violations is not None
            ],
            update_conflicts=True,
            unique_fields=["invariant", "scope"],
            update_fields=["violations", "checked_at"],
        )
