"""Who is acting, and because of what; carried beside the call, written on every event."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import UUID

from core.ids import new_id


@dataclass(frozen=True, slots=True)
class Cause:
    """`actor` is a part of the system or a role, never a person's name or address."""

    actor: str = "system"
    correlation_id: UUID = field(default_factory=new_id)
    event_id: int | None = None


_cause: ContextVar[Cause | None] = ContextVar("cause", default=None)


def current_cause() -> Cause:
    return _cause.get() or Cause()


@contextmanager
def caused_by(cause: Cause) -> Iterator[None]:
    token = _cause.set(cause)
    try:
        yield
    finally:
        _cause.reset(token)
