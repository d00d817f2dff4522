import io
import re

import pytest
from django.core.management import CommandError, call_command

from core.ids import new_id
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


def planned_id(out: str) -> str:
    found = re.search(r"--execute ([\w-]+)", out)
    assert found is not None, out
    return found[1]


def test_replay_events_shows_first_and_runs_exactly_that(broken: Broken) -> None:
    run("deliver_events")
    broken.mended = True

    out = run("replay_events", "--type", "step.taken", "--dry-run")
    assert re.search(r"1 +step\.taken +note_step +dead +runs", out)
    assert "1 would run, in about 0 s" in out
    assert states() == ["dead"]

    ran = run("replay_events", "--execute", planned_id(out), "--reason", "mended")
    run("deliver_events")

    assert "of 1: 1 revived" in ran
    assert traces() == ["sent", "noted"]
    assert "done" in run("replay_events", "--show", planned_id(out))


def test_replay_events_runs_at_once_with_a_reason(broken: Broken) -> None:
    run("deliver_events")
    broken.mended = True

    out = run("replay_events", "--since", "2026-11-22T08:00Z", "--reason", "mended")
    run("deliver_events")

    assert re.search(r"note_step +dead +runs", out)
    assert re.search(r"send_letter +delivered +left alone", out)
    assert traces() == ["sent", "noted"]
    row = Replay.objects.get()
    assert row.reason == "mended"
    assert row.actor.startswith("console:")


def test_replay_events_takes_ids_a_subject_a_handler_and_a_state(broken: Broken) -> None:
    run("deliver_events")
    event_id = str(Delivery.objects.get().event_id)

    for chosen in (["--id", event_id], ["--subject", "story:one"], ["--state", "dead"]):
        out = run("replay_events", *chosen, "--handler", "note_step", "--dry-run")
        assert "1 would run" in out


def test_replay_events_skips_what_a_person_gives_up(broken: Broken) -> None:
    run("deliver_events")

    out = run("replay_events", "--state", "dead", "--mode", "skip", "--reason", "a duplicate")

    assert "of 1: 1 skipped" in out
    assert states() == []


def test_replay_events_pauses_and_cancels_what_is_planned(broken: Broken) -> None:
    run("deliver_events")
    replay = planned_id(run("replay_events", "--state", "dead", "--dry-run"))

    with pytest.raises(CommandError, match="It is planned"):
        run("replay_events", "--pause", replay)
    assert "cancelled" in run("replay_events", "--cancel", replay)
    with pytest.raises(CommandError, match="It is cancelled"):
        run("replay_events", "--execute", replay, "--reason", "after all")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--type", "step.taken"], "A reason is needed"),
        (["--type", "step.taken", "--reason", " "], "A reason is needed"),
        (["--type", "step.tken", "--dry-run"], r"step\.tken.*letter\.owed.*step\.taken"),
        (["--id", "1", "--handler", "note_stp", "--dry-run"], "note_stp.*note_step, send_letter"),
        (["--state", "deed", "--dry-run"], "deed.*dead"),
        (["--since", "yesterday", "--dry-run"], "yesterday"),
        (["--since", "2026-11-22T09:00", "--dry-run"], "2026-11-22T09:00"),
        (["--state", "dead", "--rate", "0", "--dry-run"], "1 to 1000"),
        (["--dry-run"], "Name ids, a type, a subject, a time"),
        (["--type", "step.taken", "--state", "dead", "--dry-run"], "no event at all"),
        (["--type", "letter.owed", "--mode", "rerun", "--dry-run"], "send_letter.*force"),
        (["--execute", str(new_id()), "--reason", "x"], "no such replay"),
        (["--show", str(new_id())], "no such replay"),
    ],
)
def test_replay_events_says_what_it_does_not_understand(
    broken: Broken, arguments: list[str], complaint: str
) -> None:
    with pytest.raises(CommandError, match=complaint):
        run("replay_events", *arguments)

    assert not Replay.objects.exists()
