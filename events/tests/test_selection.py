from datetime import timedelta
from typing import Any

import pytest

from events.base import Group, Route
from events.models import ReplayItem
from events.replay import EmptySelection, Selection, UnknownSelection, plan_replay
from events.tests.cast import AT, LetterOwed, StepTaken, note_step, record_at
from events.tests.conftest import UseRoutes

LATER = AT + timedelta(hours=1)


@pytest.mark.django_db
def test_a_selection_narrows_by_every_thing_it_names(use_routes: UseRoutes) -> None:
    use_routes({StepTaken: (), LetterOwed: ()})
    early, late = record_at(AT, StepTaken()) + record_at(LATER, StepTaken())
    (other,) = record_at(LATER, StepTaken(story="two"))
    (letter,) = record_at(LATER, LetterOwed())
    use_routes(
        {
            StepTaken: (Route(note_step, Group.CORE),),
            LetterOwed: (Route(note_step, Group.CORE),),
        }
    )

    def selected(**values: Any) -> list[int]:
        plan = plan_replay(Selection(**values), mode="redeliver", actor="test", reason="", at=LATER)
        return list(
            ReplayItem.objects.filter(replay=plan).order_by("id").values_list("event_id", flat=True)
        )

    assert selected(ids=(late, letter)) == [late, letter]
    assert selected(type="letter.owed") == [letter]
    assert selected(subject="story:one") == [early, late]
    assert selected(since=LATER) == [late, other, letter]
    assert selected(until=LATER) == [early]
    assert selected(since=AT, until=LATER + timedelta(seconds=1)) == [early, late, other, letter]
    assert selected(since=LATER, type="step.taken", subject="story:one") == [late]
    assert selected(since=AT, state="missing", handler="note_step", type="letter.owed") == [letter]


@pytest.mark.parametrize(
    "said", [{}, {"handler": "note_step"}, {"state": "delivered"}, {"state": "missing"}]
)
def test_everything_there_is_must_not_be_meant_by_saying_nothing(
    use_routes: UseRoutes, said: dict[str, Any]
) -> None:
    use_routes({StepTaken: (Route(note_step, Group.CORE),)})

    with pytest.raises(EmptySelection):
        Selection(**said)


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"type": "step.tken"}, r"step\.tken.*step\.taken"),
        ({"type": "step.taken", "handler": "note_stp"}, "note_stp.*note_step"),
        ({"type": "step.taken", "state": "deed"}, "deed.*blocked, dead, delivered"),
        ({"since": LATER, "until": AT}, "until must be later"),
        ({"since": AT, "until": AT}, "until must be later"),
    ],
)
def test_what_does_not_exist_cannot_be_selected(
    use_routes: UseRoutes, said: dict[str, Any], complaint: str
) -> None:
    use_routes({StepTaken: (Route(note_step, Group.CORE),)})

    with pytest.raises(UnknownSelection) as refusal:
        Selection(**said)

    refusal.match(complaint)
