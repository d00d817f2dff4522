"""What an event is, what a handler is, and what a line of the routing table says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cache
from types import NoneType
from typing import Any, ClassVar, Self, get_args, get_type_hints
from uuid import UUID

from core.money import Money


@dataclass(frozen=True, kw_only=True)
class DomainEvent:
    """
    A fact, named subject and past participle.

    Fields are ids, text, numbers, dates and Money; they hold what a reader needs to know what
    happened, never what it should do about it. A change of shape is a new `version`.
    """

    type: ClassVar[str]
    version: ClassVar[int] = 1

    @property
    def subject(self) -> str:
        """Whose story this is part of, `payment:<uuid>`: order is kept within one subject."""
        raise NotImplementedError

    def to_data(self) -> dict[str, Any]:
        return {field.name: _to_json(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return the fact again; members that this version does not know are left out."""
        readers = _readers(cls)  # type: ignore[arg-type]  # (a class is hashable)
        return cls(**{name: readers[name](data[name]) for name in readers if name in data})


Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Context:
    """What a handler may know about its own run; the first attempt is number 1."""

    event_id: int
    generation: int
    attempt: int
    occurred_at: datetime
    at: datetime

    @property
    def age(self) -> timedelta:
        return self.at - self.occurred_at

    @property
    def is_rerun(self) -> bool:
        return self.generation > 0


class Repeat(StrEnum):
    """What to do about a call that may have happened: its worker died, or no answer came."""

    FREELY = "freely"  # a question: asking twice changes nothing
    ONCE_LATER = "once_later"  # harmless once more after a pause, then a person decides
    NEVER = "never"


@dataclass(frozen=True)
class Outbound:
    """
    A handler that speaks to the outside world.

    `ask` runs in no transaction and may commit its own evidence; `write` runs in the one commit
    that also holds the receipt, and only while no one else has taken the delivery over.
    """

    name: str
    ask: Callable[[Any, Context], Any]
    write: Callable[[Any, Any, Context], None]
    repeat: Repeat = Repeat.NEVER


Transactional = Callable[[Any, Context], None]
Handler = Transactional | Outbound


class Group(StrEnum):
    """Lane groups: each has its own workers, so that none waits for another's outside world."""

    CORE = "core"
    CHAPA = "chapa"
    MAIL = "mail"


@dataclass(frozen=True)
class Route:
    """One line of the routing table."""

    handler: Handler
    group: Group
    ordered: bool = False
    replayable: bool = False
    first_try_after: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        outbound = isinstance(self.handler, Outbound)
        if outbound == (self.group is Group.CORE):
            raise ValueError(f"{self.name}: outbound handlers, and only they, leave group core")
        if self.ordered and (outbound or self.first_try_after):
            raise ValueError(f"{self.name}: only prompt transactional handlers can be ordered")

    @property
    def name(self) -> str:
        return self.handler.name if isinstance(self.handler, Outbound) else self.handler.__name__


Routes = Mapping[type[DomainEvent], tuple[Route, ...]]


class PermanentFailure(Exception):
    """Trying again cannot help: the delivery is dead at once and a person decides."""


class RetryAfter(Exception):
    """Not now: the delivery is tried again after `delay`, and no attempt is counted."""

    def __init__(self, delay: timedelta, reason: str) -> None:
        super().__init__(reason)
        self.delay = delay


class Uncertain(Exception):
    """The call may have happened; the handler's `repeat` says what follows."""


def _to_json(value: Any) -> Any:
    match value:
        case UUID():
            return str(value)
        case datetime() | date():
            return value.isoformat()
        case Money():
            return value.to_json()
        case _:
            return value


_READ: dict[Any, Callable[[Any], Any]] = {
    UUID: UUID,
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    Money: Money.from_json,
    str: str,
    int: int,
    bool: bool,
}


@cache
def _readers(cls: type[DomainEvent]) -> dict[str, Callable[[Any], Any]]:
    hints = get_type_hints(cls)
    return {field.name: _reader(hints[field.name]) for field in fields(cls)}


def _reader(hint: Any) -> Callable[[Any], Any]:
    if hint in _READ:
        return _READ[hint]
    match [part for part in get_args(hint) if part is not NoneType]:
        case [inner] if inner in _READ:
            read = _READ[inner]
            return lambda value: None if value is None else read(value)
    raise TypeError(f"a field of an event cannot be {hint}")
