import io

import pytest
from django.core.management import CommandError, call_command

from events.base import Context, Group, Outbound, PermanentFailure, Route
from events.models import Delivery, Replay
from events.tests.cast import AT, LetterOwed, StepTaken, leave_trace, record_at, states, traces
from events.tests.conftest import UseRoutes

pytestmark = pytest.mark.django_db


class Broken:
    __name__ = "note_step"

    def __init__(self) -> None:
        self.mended = False

    def __call__(self, event: StepTaken, context: Context) -> None:
        if not self.mended:
            raise PermanentFailure("broken")
        leave_trace("noted")


@pytest.fixture
def broken(use_routes: UseRoutes) -> Broken:
    """Two events that were recorded long ago and are due: a step and a letter."""
    handler = Broken()
    send_letter = Outbound(
        name="send_letter",
        ask=lambda event, context: "sent",
        write=lambda event, answer, context: leave_trace(answer),
    )
    use_routes(
        {
            StepTaken: (Route(handler, Group.CORE, ordered=True),),
            LetterOwed: (Route(send_letter, Group.MAIL),),
        }
    )
    record_at(AT, StepTaken(), LetterOwed())
    return handler


def run(command: str, *arguments: str) -> str:
    out = io.StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


def test_deliver_events_delivers_what_is_due_and_says_how_much(broken: Broken) -> None:
    broken.mended = True

    assert run("deliver_events") == "2 deliveries settled\n"

    assert sorted(traces()) == ["noted", "sent"]
    assert run("deliver_events") == "0 deliveries settled\n"


def test_deliver_events_can_be_told_one_group(broken: Broken) -> None:
    assert run("deliver_events", "--group", "mail") == "1 deliveries settled\n"

    assert traces() == ["sent"]
    assert states() == ["ready"]


def test_deliver_events_knows_its_groups(broken: Broken) -> None:
    with pytest.raises(CommandError, match="post"):
        run("deliver_events", "--group", "post")


def test_replay_events_shows_first_and_changes_nothing(broken: Broken) -> None:
    run("deliver_events")

    out = run("replay_events", "--type", "step.taken", "--dry-run")

    assert out.split() == [
        "1", "step.taken", "note_step", "revived",
        "nothing", "was", "changed", "(dry", "run)",
    ]  # fmt: skip
    assert states() == ["dead"]
    assert not Replay.objects.exists()


def test_replay_events_revives_the_dead_and_leaves_the_delivered_alone(broken: Broken) -> None:
    run("deliver_events")
    broken.mended = True

    out = run("replay_events", "--since", "2026-11-22T08:00Z", "--reason", "mended")
    run("deliver_events")

    assert "revived" in out
    assert "delivered" in out
    assert traces() == ["sent", "noted"]
    row = Replay.objects.get()
    assert row.reason == "mended"
    assert row.actor.startswith("console:")


def test_replay_events_takes_ids_a_subject_and_a_handler(broken: Broken) -> None:
    run("deliver_events")
    event_id = str(Delivery.objects.get().event_id)

    for chosen in (["--id", event_id], ["--subject", "story:one"]):
        assert "revived" in run("replay_events", *chosen, "--dry-run")
    letters = run("replay_events", "--id", event_id, "--handler", "send_letter", "--dry-run")
    assert letters == "nothing was changed (dry run)\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--type", "step.taken"], "--reason is required"),
        (["--type", "step.taken", "--reason", " "], "--reason is required"),
        (["--type", "step.tken", "--dry-run"], r"step\.tken.*letter\.owed.*step\.taken"),
        (["--handler", "note_stp", "--dry-run"], "note_stp.*note_step, send_letter"),
        (["--since", "yesterday", "--dry-run"], "yesterday"),
        (["--since", "2026-11-22T09:00", "--dry-run"], "2026-11-22T09:00"),
        (["--dry-run"], "Name ids, a type, a subject or a time"),
    ],
)
def test_replay_events_says_what_it_does_not_understand(
    broken: Broken, arguments: list[str], complaint: str
) -> None:
    with pytest.raises(CommandError, match=complaint):
        run("replay_events", *arguments)

    assert not Replay.objects.exists()
