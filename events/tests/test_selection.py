from datetime import timedelta
from typing import Any

import pytest

from events.replay import EmptySelection, Selection
from events.tests.cast import (
    AT,
    LetterOwed,
    StepTaken,
    record_at,
)
from events.tests.conftest import UseRoutes

LATER = AT + timedelta(hours=1)


@pytest.mark.django_db
def test_a_selection_narrows_by_every_thing_it_names(use_routes: UseRoutes) -> None:
    use_routes({StepTaken: (), LetterOwed: ()})
    early, late = record_at(AT, StepTaken()) + record_at(LATER, StepTaken())
    (other,) = record_at(LATER, StepTaken(story="two"))
    (letter,) = record_at(LATER, LetterOwed())

    def selected(**values: Any) -> list[int]:
        return [event.id for event in Selection(**values).events()]

    assert selected(ids=(late, letter)) == [late, letter]
    assert selected(type="letter.owed") == [letter]
    assert selected(subject="story:one") == [early, late]
    assert selected(since=LATER) == [late, other, letter]
    assert selected(since=LATER, type="step.taken", subject="story:one") == [late]


@pytest.mark.parametrize("handler", [None, "note_step"])
def test_everything_there_is_must_not_be_meant_by_saying_nothing(handler: str | None) -> None:
    with pytest.raises(EmptySelection):
        Selection(handler=handler).events()
