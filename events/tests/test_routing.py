from dataclasses import dataclass
from typing import ClassVar

import pytest

from events.base import Context, Group, Route
from events.routing import routing_table
from events.tests.cast import StepTaken
from events.tests.conftest import UseRoutes


def note_step(event: StepTaken, context: Context) -> None:
    raise AssertionError("never run")


def test_a_line_is_found_by_the_names_that_stand_in_rows(use_routes: UseRoutes) -> None:
    line = Route(note_step, Group.CORE)

    use_routes({StepTaken: (line,)})

    assert routing_table().route("step.taken", "note_step") is line
    assert routing_table().route("step.taken", "someone_else") is None
    assert routing_table().route("nothing.known", "note_step") is None


def test_a_handler_cannot_be_owed_one_event_twice(use_routes: UseRoutes) -> None:
    use_routes({StepTaken: (Route(note_step, Group.CORE), Route(note_step, Group.CORE))})

    with pytest.raises(ValueError, match="twice"):
        routing_table()


def test_two_events_cannot_share_a_type(use_routes: UseRoutes) -> None:
    @dataclass(frozen=True, kw_only=True)
    class StepTakenToo(StepTaken):
        type: ClassVar[str] = "step.taken"

    use_routes({StepTaken: (), StepTakenToo: ()})

    with pytest.raises(ValueError, match="twice"):
        routing_table()
