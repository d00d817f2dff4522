"""
What deliveries owe and did, in plain Python: test_model.py holds the engine to it.

The model does not foresee what a worker takes first. It is shown what came of each step, and says
whether that was allowed, whether all of it happened, and whether anything is left that was due.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum, auto

from events.base import Repeat
from events.outbound import ONCE_LATER
from events.retry import BASE, CAP

ORDERED, UNORDERED, OUTBOUND = "follow_step", "note_step", "tell_step"
HANDLERS = (ORDERED, UNORDERED, OUTBOUND)
MOST_ATTEMPTS = 3
PAUSE = timedelta(seconds=30)

# What a replay of each mode does something about.
TOUCHED = {
    "redeliver": ("missing", "retry", "dead", "uncertain"),
    "rerun": ("delivered",),
    "skip": ("retry", "dead", "uncertain"),
}

# The dead wait for a person.
NO_TIME = datetime.max.replace(tzinfo=UTC)

Key = tuple[int, str]
Paid = tuple[int, str, int]


class Fate(StrEnum):
    """What becomes of an attempt; all but OK leave nothing behind."""

    OK = auto()
    FAILS = auto()
    SPOILS = auto()  # the commit of its effect fails
    WAITS = auto()
    NEVER = auto()
    UNSURE = auto()
    DIES = auto()


@dataclass(frozen=True)
class Owed:
    """A debt as the model has it; `waiting` is both ready and blocked."""

    generation: int
    next_at: datetime
    state: str = "waiting"
    attempts: int = 0
    doubts: int = 0


@dataclass(frozen=True)
class Trace:
    """One effect that was committed, or one question that was asked for it."""

    what: str
    event_id: int
    handler: str
    generation: int
    attempt: int


class Model:
    def __init__(self, repeat: Repeat) -> None:
        self.repeat = repeat
        self.stories: dict[int, str] = {}
        self.recorded_at: dict[int, datetime] = {}
        self.fates: dict[Key, Fate] = {}
        self.owed: dict[Key, Owed] = {}
        self.receipts: dict[Paid, tuple[str, int]] = {}
        self.traces = 0

    def record(
        self, event_id: int, story: str, fates: dict[str, Fate], owed: Sequence[str], at: datetime
    ) -> None:
        """`owed` are the handlers that have a route by now; `fates` has every one there will be."""
        self.stories[event_id], self.recorded_at[event_id] = story, at
        self.fates |= {(event_id, handler): fate for handler, fate in fates.items()}
        self.owed |= {(event_id, handler): Owed(generation=0, next_at=at) for handler in owed}

    def work(
        self, traces: Iterable[Trace], rows: dict[Key, Owed], at: datetime, *, whole: bool
    ) -> None:
        """Take in what a worker did and left at one moment; `whole`: until nothing was due."""
        for key, owed in list(self.owed.items()):
            if self.is_paid(key) and key not in rows:
                del self.owed[key]
            elif owed.state == "in_flight" and owed != rows.get(key):
                self.owed[key] = self._taken_back(owed, at)
        for trace in traces:
            self._run(trace, at)
        self.set_free(rows)
        assert rows.keys() == self.owed.keys()
        for key, row in rows.items():
            if row != self.owed[key]:
                self._fail(key, row, at)
        if whole:
            left = [key for key in self.owed if self._must_run(key, at)]
            assert not left, f"due, and left: {left}"

    def set_free(self, rows: dict[Key, Owed]) -> None:
        """Take in that some of what waited for its turn may run."""
        for key, owed in self.owed.items():
            if key[1] == ORDERED and rows.get(key) == replace(owed, state="retry"):
                self.owed[key] = rows[key]

    def plan(self, mode: str, ids: Sequence[int], handlers: Sequence[str]) -> list[Key]:
        """Return the debts about which a replay of that mode would do something."""
        keys = [(event_id, handler) for event_id in ids or self.stories for handler in handlers]
        return [key for key in keys if self._found(key) in TOUCHED[mode]]

    def replay(self, mode: str, keys: Iterable[Key], at: datetime) -> dict[str, int]:
        """Return how many debts come to which end."""
        counts: dict[str, int] = {}
        for key in keys:
            outcome = self._settle(mode, key, at)
            counts[outcome] = counts.get(outcome, 0) + 1
        return counts

    def prune(self, before: datetime) -> int:
        owed = {event_id for event_id, _ in self.owed}
        gone = {each for each, at in self.recorded_at.items() if at < before and each not in owed}
        for event_id in gone:
            del self.stories[event_id], self.recorded_at[event_id]
        self.receipts = {key: how for key, how in self.receipts.items() if key[0] not in gone}
        return len(gone)

    def is_paid(self, key: Key) -> bool:
        """Return whether what is owed has a receipt already: it was owed twice."""
        return (*key, self.owed[key].generation) in self.receipts

    def is_behind(self, key: Key) -> bool:
        """Return whether an earlier one of an ordered handler's subject is unfinished."""
        event_id, handler = key
        return handler == ORDERED and any(
            other == handler and earlier < event_id and self._same_story(earlier, event_id)
            for earlier, other in self.owed
        )

    def _found(self, key: Key) -> str:
        if key in self.owed:
            return self.owed[key].state
        return "delivered" if self._generations(key) else "missing"

    def _same_story(self, one: int, other: int) -> bool:
        return self.stories[one] == self.stories[other]

    def _generations(self, key: Key) -> list[int]:
        return [generation for *paid, generation in self.receipts if tuple(paid) == key]

    def _may_run(self, key: Key, at: datetime) -> bool:
        owed = self.owed[key]
        # What is ready of an ordered handler is due whatever its time.
        due = owed.next_at <= at or (owed.state == "waiting" and key[1] == ORDERED)
        return owed.state in ("waiting", "retry") and due and not self.is_behind(key)

    def _must_run(self, key: Key, at: datetime) -> bool:
        owed = self.owed[key]
        return owed.state == "in_flight" or (self._may_run(key, at) and owed.next_at <= at)

    def _run(self, trace: Trace, at: datetime) -> None:
        self.traces += 1
        key = (trace.event_id, trace.handler)
        assert key in self.owed, f"{trace} was not owed"
        assert self._may_run(key, at), f"{trace} ran out of turn"
        owed = self.owed[key]
        assert (trace.generation, trace.attempt) == (owed.generation, owed.attempts + 1)
        if trace.what == "done":
            assert self.fates[key] is Fate.OK, f"{trace} was left by an attempt that failed"
            how = "doubtful" if owed.doubts else "done"
            self.receipts[*key, owed.generation] = (how, trace.attempt)
            del self.owed[key]

    def _fail(self, key: Key, row: Owed, at: datetime) -> None:
        """Accept a debt's new row if it is what an attempt of its fate leaves behind."""
        owed = self.owed[key]
        if self.is_behind(key):
            # It waits for another one now, and for its own time no more.
            assert replace(owed, state="waiting") == row, f"{key} changed out of turn"
        else:
            assert self._may_run(key, at), f"{key} was tried out of turn"
            assert any(
                replace(end, next_at=row.next_at) == row and end.next_at <= row.next_at <= latest
                for end, latest in self._ends(key, owed, at)
            ), f"{key} of {owed} became {row}"
        self.owed[key] = row

    def _ends(self, key: Key, owed: Owed, at: datetime) -> list[tuple[Owed, datetime]]:
        """Return what may be left of a debt whose turn it was, as early and as late as can be."""
        outbound = key[1] == OUTBOUND
        tried = replace(owed, attempts=owed.attempts + 1)
        longest = min(CAP, BASE * 2**owed.attempts)
        again = (replace(tried, state="retry", next_at=at + longest / 5), at + longest)
        ends = []
        if owed.attempts >= MOST_ATTEMPTS and not outbound:
            # It has ended so many workers: if the last one too, it is not tried any more.
            ends.append((_dead(owed), NO_TIME))
        match self.fates[key]:
            case Fate.DIES if outbound:
                ends.append((replace(tried, state="in_flight"), owed.next_at))
            case Fate.DIES:
                ends.append(again)
            case Fate.WAITS:
                ends.append((replace(owed, state="retry", next_at=at + PAUSE), at + PAUSE))
            case Fate.NEVER:
                ends.append((_dead(tried), NO_TIME))
            case Fate.SPOILS | Fate.UNSURE if outbound and self.repeat is not Repeat.FREELY:
                doubted = self._doubted(tried, at)
                ends.append((doubted, doubted.next_at))
            case Fate.FAILS | Fate.SPOILS | Fate.UNSURE:
                exhausted = tried.attempts >= MOST_ATTEMPTS
                ends.append((_dead(tried), NO_TIME) if exhausted else again)
        return ends

    def _taken_back(self, owed: Owed, at: datetime) -> Owed:
        """Return what is left of a call whose worker died."""
        if self.repeat is not Repeat.FREELY:
            return self._doubted(owed, at)
        if owed.attempts >= MOST_ATTEMPTS:
            return _dead(owed)
        return replace(owed, state="retry", next_at=at)

    def _doubted(self, owed: Owed, at: datetime) -> Owed:
        once_more = self.repeat is Repeat.ONCE_LATER and not owed.doubts
        return replace(
            owed,
            state="retry" if once_more else "uncertain",
            next_at=at + ONCE_LATER if once_more else at,
            doubts=owed.doubts + 1,
        )

    def _settle(self, mode: str, key: Key, at: datetime) -> str:
        owed, generations = self.owed.get(key), self._generations(key)
        match mode:
            case "rerun" if owed:
                return "under_way"
            case "rerun":
                self.owed[key] = Owed(max(generations) + 1, next_at=at, state="retry")
                return "added"
            case _ if not owed and generations:
                return "delivered_meanwhile"
            case _ if not owed:
                self.owed[key] = Owed(generation=0, next_at=at, state="retry")
                return "added"
            case _ if owed.state in ("waiting", "in_flight"):
                return "under_way"
            case "skip":
                self.receipts[*key, owed.generation] = ("skipped", owed.attempts)
                del self.owed[key]
                return "skipped"
            case _ if owed.state == "retry":
                self.owed[key] = replace(owed, next_at=min(owed.next_at, at))
                return "hurried"
        self.owed[key] = replace(owed, state="retry", attempts=0, doubts=0, next_at=at)
        return "revived"


def _dead(owed: Owed) -> Owed:
    return replace(owed, state="dead", next_at=NO_TIME)
