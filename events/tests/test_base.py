from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

import pytest

from core.money import Money
from events.base import Context, DomainEvent, Group, Outbound, Route


@dataclass(frozen=True, kw_only=True)
class EverythingHappened(DomainEvent):
    type: ClassVar[str] = "everything.happened"
    who: UUID
    when: datetime
    on: date
    amount: Money
    text: str
    count: int
    really: bool
    nobody: UUID | None = None
    somebody: UUID | None = None


EVERYTHING = EverythingHappened(
    who=UUID(int=7),
    when=datetime(2026, 11, 22, 9, 0, 0, 123456, tzinfo=UTC),
    on=date(2026, 11, 22),
    amount=Money(Decimal("1250.00"), "ETB"),
    text="ጉዞ",
    count=3,
    really=True,
    somebody=UUID(int=8),
)


def do_it(event: Any, context: Context) -> None:
    raise AssertionError("never run")


ask_it = Outbound(name="ask_it", ask=lambda event, context: None, write=lambda *_: None)


def test_a_fact_comes_back_from_its_data_as_it_was() -> None:
    assert EverythingHappened.from_data(EVERYTHING.to_data()) == EVERYTHING


def test_members_that_this_version_does_not_know_are_left_out() -> None:
    data = EVERYTHING.to_data() | {"invented_later": {"by": "somebody"}}

    assert EverythingHappened.from_data(data) == EVERYTHING


def test_a_member_with_a_default_may_be_missing() -> None:
    data = EVERYTHING.to_data()
    del data["somebody"]

    assert EverythingHappened.from_data(data).somebody is None


def test_a_field_that_could_not_be_read_back_is_named() -> None:
    @dataclass(frozen=True, kw_only=True)
    class MapDrawn(DomainEvent):
        places: dict[str, int]

    with pytest.raises(TypeError, match="dict"):
        MapDrawn.from_data({"places": {}})


def test_an_outbound_handler_cannot_stand_in_group_core() -> None:
    with pytest.raises(ValueError, match="ask_it"):
        Route(ask_it, Group.CORE)


def test_a_transactional_handler_cannot_leave_group_core() -> None:
    with pytest.raises(ValueError, match="do_it"):
        Route(do_it, Group.MAIL)


@pytest.mark.parametrize(
    ("handler", "group", "wait"),
    [(ask_it, Group.CHAPA, 0), (do_it, Group.CORE, 30)],
)
def test_only_prompt_transactional_handlers_can_be_ordered(
    handler: Any, group: Group, wait: int
) -> None:
    with pytest.raises(ValueError, match="ordered"):
        Route(handler, group, ordered=True, first_try_after=timedelta(seconds=wait))
