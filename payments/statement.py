"""
What Chapa's list of transactions says that our ledger does not, or the other way round.

Pure: no clock, no database, no network.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Self
from uuid import UUID

from core.days import ADDIS_ABABA
from core.money import Money
from payments.listed import PAID, There, plain

# A link lives for an hour, and the sweep has then found out: what is younger may be under way.
SETTLES_WITHIN = timedelta(hours=2)
LATE_AFTER = timedelta(hours=24)


class Kind(StrEnum):
    """How list and ledger differ about one reference."""

    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    AMOUNT = "amount"
    CURRENCY = "currency"
    STATUS = "status"
    MODE = "mode"
    DUPLICATE = "duplicate"
    LATE = "late"


@dataclass(frozen=True)
class Window:
    """From `begins` until before `ends`, read from `asked_at` on with a key of this mode."""

    begins: datetime
    ends: datetime
    asked_at: datetime
    mode: str

    @classmethod
    def of_days(cls, since: date, until: date, *, asked_at: datetime, mode: str) -> Self:
        """Return whole days, both included; but nothing that may still have been under way."""
        end = datetime.combine(until + timedelta(days=1), time(), ADDIS_ABABA)
        return cls(
            begins=datetime.combine(since, time(), ADDIS_ABABA),
            ends=min(end, asked_at - SETTLES_WITHIN),
            asked_at=asked_at,
            mode=mode,
        )

    def has(self, moment: datetime | None) -> bool:
        return moment is not None and self.begins <= moment < self.ends


@dataclass(frozen=True, kw_only=True)
class Here:
    """
    One payment of ours; `captured` is what arrived, nothing if nothing did.

    `reference` is Chapa's, or our `tx_ref` where Chapa never gave one. `sent_back` is all that went
    back of it, `sent_back_by_chapa` what of that Chapa itself told us.
    """

    payment_id: UUID
    reference: str
    status: str
    mode: str
    captured: Money | None = None
    captured_at: datetime | None = None
    sent_back: Decimal = Decimal(0)
    sent_back_by_chapa: Decimal = Decimal(0)
    on_its_way: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One of these for each reference and kind. `here` and `there` say what the two sides say."""

    kind: Kind
    reference: str
    payment_id: UUID | None = None
    here: str = ""
    there: str = ""
    happened_at: datetime | None


def compare(ours: Iterable[Here], theirs: Iterable[There], window: Window) -> list[Difference]:
    """
    Return how list and ledger differ about what happened in the window on either side.

    A line may be read twice, as the list shifts while it is read: the later reading stands. Lines
    without a time are taken to lie in the window, those without a reference are left out.
    """
    listed = _by_reference(theirs)
    known = {here.reference: here for here in ours}
    found = []
    for reference in known.keys() | listed.keys():
        found += _differences(known.get(reference), listed.get(reference, ()), window)
    return sorted(found, key=lambda each: (each.kind, each.reference))


def _by_reference(theirs: Iterable[There]) -> dict[str, tuple[There, ...]]:
    """Of a transaction that was paid, its paid lines; of another the newest of what was read."""
    read: dict[str, dict[object, There]] = {}
    for line in theirs:
        if line.reference and line.is_charge:
            read.setdefault(line.reference, {})[line.contents] = line
    found = {}
    for reference, lines in read.items():
        paid = tuple(line for line in lines.values() if line.is_paid)
        found[reference] = paid or tuple(lines.values())[-1:]
    return found


def _differences(here: Here | None, lines: tuple[There, ...], window: Window) -> list[Difference]:
    at_chapa = any(line.created_at is None or window.has(line.created_at) for line in lines)
    if not at_chapa and not (here and window.has(here.captured_at)):
        return []
    # Captured while the list was read: its line may be from before.
    if here and here.captured_at and here.captured_at >= window.asked_at:
        return []
    if not lines:
        return _missing_there(here, window) if here else []
    if len(lines) > 1:
        said = sorted(f"{line.money} {_written(line.created_at)}" for line in lines)
        return [_difference(Kind.DUPLICATE, here, lines[0], there="; ".join(said))]
    return _compare_two(here, lines[0], window) if here else _missing_here(lines[0])


def _missing_there(here: Here, window: Window) -> list[Difference]:
    if here.captured is None or here.mode != window.mode:
        return []
    return [_difference(Kind.MISSING_THERE, here, None, here_says=_money(here.captured))]


def _missing_here(line: There) -> list[Difference]:
    """Money that came and went is nobody's to find."""
    if line.status != PAID:
        return []
    return [_difference(Kind.MISSING_HERE, None, line, there=line.money)]


def _compare_two(here: Here, line: There, window: Window) -> list[Difference]:
    found = []
    if here.mode != window.mode and line.is_paid:
        found.append(_difference(Kind.MODE, here, line, here_says=here.mode, there=window.mode))
    if not _same_status(here, line):
        found.append(_difference(Kind.STATUS, here, line, here_says=here.status, there=line.status))
    if here.captured is None or not line.is_paid:
        return found
    if line.currency != here.captured.currency:
        kind: Kind | None = Kind.CURRENCY
    else:
        kind = None if line.amount == here.captured.amount else Kind.AMOUNT
    if kind is not None:
        said = _money(here.captured)
        found.append(_difference(kind, here, line, here_says=said, there=line.money))
    if (
        here.captured_at is not None
        and line.created_at is not None
        and abs(here.captured_at - line.created_at) > LATE_AFTER
    ):
        times = {"here_says": _written(here.captured_at), "there": _written(line.created_at)}
        found.append(_difference(Kind.LATE, here, line, **times))
    return found


def _same_status(here: Here, line: There) -> bool:
    """Money is here and there, or on neither side; what Chapa sent back is gone here, or soon."""
    if here.captured is None:
        return line.status != PAID
    if not line.is_paid:
        return False
    if line.is_gone:
        return here.sent_back + here.on_its_way >= here.captured.amount
    return here.sent_back_by_chapa < here.captured.amount


def _difference(
    kind: Kind, here: Here | None, line: There | None, *, here_says: str = "", there: str = ""
) -> Difference:
    captured_at = here.captured_at if here else None
    return Difference(
        kind=kind,
        reference=here.reference if here else line.reference if line else "",
        payment_id=here.payment_id if here else None,
        here=here_says,
        there=there,
        happened_at=captured_at or (line.created_at if line else None),
    )


def _money(money: Money) -> str:
    return f"{plain(money.amount)} {money.currency}"


def _written(moment: datetime | None) -> str:
    return "?" if moment is None else f"{moment.astimezone(ADDIS_ABABA):%Y-%m-%d %H:%M}"
