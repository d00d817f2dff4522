"""
The engine against a model of it, over histories that Hypothesis makes up.

More of them by hand: `make test ARGS="events/tests/test_model.py --hypothesis-profile=long"`.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.models import IdempotencyRecord
from core.testing import empty_tables
from events import lanes, outbound, retry, transactional
from events.base import Group, Repeat
from events.delivery import drain_all
from events.models import Delivery, Event, Receipt, Replay
from events.outbox import LANES, record_all, subject_key
from events.replay import (
    NothingToReplay,
    NotReplayable,
    Selection,
    advance_replay,
    plan_replay,
    start_replay,
)
from events.retention import EVENT_LIFE, prune_events
from events.tests.cast import HandClock, StepTaken, WorkerDies, await_death
from events.tests.conftest import UseRoutes
from events.tests.fates import routes_by_fate, traces_after
from events.tests.model import (
    HANDLERS,
    MOST_ATTEMPTS,
    NO_TIME,
    ORDERED,
    OUTBOUND,
    Fate,
    Key,
    Model,
    Owed,
    Paid,
)
from events.waking import groups_with_work


def lane_of(story: str) -> int:
    return subject_key(StepTaken(story=story).subject) % LANES


# Two that share a lane, and one of another.
STORIES = [next(s for s in map(str, range(9999)) if lane_of(s) == lane_of("a")), "a", "b"]
FATES = st.fixed_dictionaries(
    {handler: st.sampled_from([Fate.OK] * 4 + list(Fate)) for handler in HANDLERS}
)

FACTS = st.lists(st.tuples(st.sampled_from(STORIES), FATES), min_size=2, max_size=6)
# Nothing; most of a backoff; `PAUSE`, `ONCE_LATER` and a little more; all of what there is.
SECONDS = st.sampled_from([0, 2, 31, 61, 1200])


class Deliveries(RuleBasedStateMachine):
    def __init__(self, use_routes: UseRoutes, patch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.use_routes, self.patch = use_routes, patch
        self.clock = HandClock()
        self.last_trace = 0

    @property
    def at(self) -> datetime:
        return self.clock.now

    @initialize(
        repeat=st.sampled_from(Repeat),
        batch=st.sampled_from([200, 2, 1]),
        hurry=st.booleans(),
        facts=FACTS,
    )
    def begin(
        self, repeat: Repeat, batch: int, hurry: bool, facts: list[tuple[str, dict[str, Fate]]]
    ) -> None:
        self.model = Model(repeat)
        self.patch.setattr(lanes, "BATCH", batch)
        self.patch.setattr(transactional, "BATCH_SECONDS", 0.0 if hurry else 60.0)
        self.patch.setattr(retry, "MAX_ATTEMPTS", MOST_ATTEMPTS)
        self.route(HANDLERS)
        self.reconnect()
        self.record(facts, HANDLERS)

    def teardown(self) -> None:
        empty_tables()

    def route(self, handlers: Sequence[str]) -> None:
        self.use_routes(routes_by_fate(self.model.fates, self.model.repeat, handlers))

    def reconnect(self) -> None:
        """Let the worker vanish; the next throws the same dice, so that a history can be re-run."""
        connection.close()
        await_death()
        with connection.cursor() as cursor:
            cursor.execute("select setseed(0)")

    def work(self, work: Callable[[], object], *, whole: bool) -> None:
        try:
            work()
        except WorkerDies:
            whole = False
            self.reconnect()
        traces = traces_after(self.last_trace)
        self.last_trace = max(traces, default=self.last_trace)
        self.model.work(list(traces.values()), stored(), self.at, whole=whole)
        if whole:
            assert groups_with_work(Group, self.at) == {}

    @rule(
        facts=FACTS,
        handlers=st.sampled_from([HANDLERS, HANDLERS, HANDLERS[:1]]),
    )
    def record(self, facts: list[tuple[str, dict[str, Fate]]], handlers: Sequence[str]) -> None:
        """Some of it before two of the handlers had a route."""
        steps = [StepTaken(story=story, number=n) for n, (story, _) in enumerate(facts)]
        self.route(handlers)
        with transaction.atomic():
            ids = record_all(steps, at=self.at)
        self.route(HANDLERS)
        for event_id, (story, fates) in zip(ids, facts, strict=True):
            self.model.record(event_id, story, fates, handlers, self.at)

    @rule(seconds=SECONDS)
    def drain(self, seconds: int = 0) -> None:
        self.clock.forward(seconds=seconds)
        self.work(lambda: drain_all(self.clock), whole=True)

    @rule(
        seconds=SECONDS,
        step=st.sampled_from(
            [transactional.drain_lane, outbound.recover_given_up, outbound.deliver_one]
        ),
    )
    def work_a_little(self, seconds: int, step: Callable[[str, HandClock], object]) -> None:
        group = Group.CORE if step is transactional.drain_lane else Group.MAIL
        self.clock.forward(seconds=seconds)
        self.work(lambda: step(group, self.clock), whole=False)

    @precondition(lambda self: self.model.stories)
    @rule(data=st.data(), fates=FATES)
    def change_fates(self, data: st.DataObject, fates: dict[str, Fate]) -> None:
        event_id = data.draw(st.sampled_from(sorted(self.model.stories)))
        self.model.fates |= {(event_id, handler): fate for handler, fate in fates.items()}

    @precondition(lambda self: self.model.stories)
    @rule(
        data=st.data(),
        mode=st.sampled_from(["redeliver", "rerun", "skip"]),
        handler=st.sampled_from([None, *HANDLERS]),
        force=st.booleans(),
        late=st.booleans(),
    )
    def replay(
        self, data: st.DataObject, mode: str, handler: str | None, force: bool, late: bool
    ) -> None:
        some = st.sets(st.sampled_from(sorted(self.model.stories)), min_size=1)
        selection = Selection(ids=tuple(sorted(data.draw(some))), handler=handler)
        self.replay_these(selection, mode, force=force, late=late)

    def replay_these(self, selection: Selection, mode: str, *, force: bool, late: bool) -> None:
        """`late`: a worker has been there between the plan and its execution."""
        handlers = [selection.handler] if selection.handler else HANDLERS
        meant = self.model.plan(mode, selection.ids, handlers)
        planned: Replay | type[Exception]
        try:
            planned = plan_replay(
                selection, mode=mode, force=force, rate=1000, actor="a", reason="b", at=self.at
            )
        except (NotReplayable, NothingToReplay) as refusal:
            planned = type(refusal)
        if mode == "rerun" and not force and selection.handler != ORDERED:
            assert planned is NotReplayable
        elif not meant:
            assert planned is NothingToReplay
        else:
            assert isinstance(planned, Replay)
            if late:
                self.drain()
            start_replay(planned.id, actor="a", at=self.at)
            done = advance_replay(planned.id, self.clock, time_slice=timedelta(0))
            came_to = self.model.replay(mode, meant, self.at)
            self.model.set_free(stored())
            assert (done.state, done.progress()) == ("done", came_to)

    @precondition(lambda self: self.model.receipts)
    @rule(data=st.data())
    def owe_what_is_paid(self, data: st.DataObject) -> None:
        """As two replays that meet could: nothing may come of it."""
        paid = data.draw(st.sampled_from(sorted(self.model.receipts)))
        if paid[:2] not in self.model.owed:
            owe(*paid, self.model.stories[paid[0]], self.at)
            self.model.owed[paid[:2]] = Owed(paid[2], self.at)

    @rule(seconds=st.sampled_from([0, 30, 1200]))
    def prune(self, seconds: int) -> None:
        """Years later, what is then too old by so many seconds."""
        before = self.at - timedelta(seconds=seconds)
        assert prune_events(at=before + EVENT_LIFE)["events"] == self.model.prune(before)

    @precondition(lambda self: len(self.model.owed) > 8)
    @rule()
    def set_everything_right(self) -> None:
        """With every cause removed and the dead revived, all is paid in the end."""
        self.model.fates.update(dict.fromkeys(self.model.fates, Fate.OK))
        self.drain()
        every = Selection(type=StepTaken.type)
        self.replay_these(every, "redeliver", force=False, late=False)
        self.clock.forward(hours=1)
        self.drain()
        assert not self.model.owed

    @invariant()
    def what_is_stored_is_what_the_model_says(self) -> None:
        assert stored() == self.model.owed
        assert receipts() == self.model.receipts
        assert set(Event.objects.values_list("id", flat=True)) == self.model.stories.keys()
        assert IdempotencyRecord.objects.count() == self.model.traces

    @invariant()
    def nothing_is_blocked_but_behind_an_unfinished_one(self) -> None:
        blocked = Delivery.objects.filter(state="blocked").values_list("event_id", "handler")
        assert all(self.model.is_behind(key) for key in blocked)


def stored() -> dict[Key, Owed]:
    rows = Delivery.objects.values_list(
        "event_id", "handler", "generation", "next_at", "state", "attempts", "doubtful_calls"
    )
    owed = {}
    for event_id, handler, generation, next_at, state, *rest in rows:
        time = NO_TIME if state == "dead" else next_at
        waits = state in ("ready", "blocked")
        owed[event_id, handler] = Owed(generation, time, "waiting" if waits else state, *rest)
    assert len(owed) == len(rows), "two generations of one debt are owed"
    return owed


def receipts() -> dict[Paid, tuple[str, int]]:
    rows = Receipt.objects.values_list("event_id", "handler", "generation", "how", "attempts")
    return {
        (event_id, handler, generation): (how, attempts)
        for event_id, handler, generation, how, attempts in rows
    }


def owe(event_id: int, handler: str, generation: int, story: str, at: datetime) -> None:
    key = subject_key(StepTaken(story=story).subject)
    Delivery.objects.create(
        event_id=event_id,
        handler=handler,
        generation=generation,
        group=Group.MAIL if handler == OUTBOUND else Group.CORE,
        lane=key % LANES,
        subject_key=key,
        ordered=handler == ORDERED,
        state=Delivery.State.READY,
        next_at=at,
    )


def test_made_up_histories_end_as_the_model_says(
    use_routes: UseRoutes, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_state_machine_as_test(
        # Whatever makes a machine will do.
        lambda: Deliveries(use_routes, monkeypatch),  # type: ignore[arg-type]
        settings=settings(max_examples=settings().max_examples // 8, stateful_step_count=25),
    )
