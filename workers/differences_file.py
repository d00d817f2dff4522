"""Differences between Chapa's list and the ledger as a file for a spreadsheet."""

import csv
from collections.abc import Iterator
from datetime import datetime

from django.db.models import QuerySet

from payments.models import StatementDifference

SHOWN = (
    "id",
    "kind",
    "state",
    "reference",
    "payment",
    "here",
    "there",
    "happened_at",
    "first_seen_at",
    "last_seen_at",
    "gone_at",
    "resolved_at",
)
_COLUMNS = (*SHOWN, "reason")
# A spreadsheet takes a cell that begins so for a formula, and some run it.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def as_csv(rows: QuerySet[StatementDifference]) -> Iterator[str]:
    """Give the file line by line: it names nobody who paid and nobody who resolved."""
    writer = csv.writer(_Line())
    yield writer.writerow(_COLUMNS)
    for row in rows.iterator():
        yield writer.writerow(_cells(row))


class _Line:
    """What a CSV writer writes to: it hands each line on."""

    def write(self, line: str) -> str:
        return line


def _cells(row: StatementDifference) -> Iterator[str]:
    reason = row.resolutions[-1]["reason"] if row.resolved_at else ""
    said = {"payment": row.payment_id, "reason": reason}
    for name in _COLUMNS:
        value = said[name] if name in said else getattr(row, name)
        if isinstance(value, datetime):
            value = value.isoformat()
        text = "" if value is None else str(value)
        yield f"'{text}" if text.startswith(_FORMULAS) else text
