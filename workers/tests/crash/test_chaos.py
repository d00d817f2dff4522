"""Minutes of load in which every three seconds something is killed, emptied or restarted."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from core.tests.threads import eventually
from workers.devstack.progress import Progress
from workers.devstack.stack import program_of
from workers.tests.crash.fleet import Fleet, running_fleet
from workers.tests.crash.invariants import (
    assert_each_effect_is_there_once,
    assert_events_are_the_committed_changes,
    assert_letters_went_at_most_twice,
    assert_metrics_show_all_that_is_owed,
    assert_no_event_overtook_another,
    have_later_ones_been_delivered_first,
)

pytestmark = pytest.mark.crash

SECONDS = float(os.environ.get("CHAOS_SECONDS", "300"))
SEED = int(os.environ.get("CHAOS_SEED", random.randrange(2**32)))
EVERY = 3.0
SLOW = 3.0
STORIES = [f"s{number}" for number in range(12)]
# A child of the prefork worker dies as often as all the others together.
CHILD, WHOLE = "a child of worker-core", ("worker-core", "worker-chapa", "worker-mail", "relay")
SELDOM = ("beat", "publisher", "slow-publisher")


@pytest.fixture(scope="module")
def storm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet with routes of its own, and two who publish; one holds its transactions open."""
    settings = {"DJANGO_SETTINGS_MODULE": "workers.tests.crash.chaos_settings"}
    with running_fleet(Path(tmp_path_factory.mktemp("storm")), **settings) as fleet:
        publish = "import django; django.setup(); from workers.tests.crash import publisher;"
        quick = f"publisher.publish(*{STORIES}, per_second=40)"
        slow = f"publisher.publish('late', per_second=2, hold={SLOW})"
        fleet.supervisor.start(
            program_of(fleet.plan, "publisher", ("python", "-c", f"{publish} {quick}")),
            program_of(fleet.plan, "slow-publisher", ("python", "-c", f"{publish} {slow}")),
        )
        yield fleet


class Chaos:
    """Breaks one thing after another, and starts again what has ended."""

    def __init__(self, fleet: Fleet, dice: random.Random) -> None:
        self.fleet = fleet
        self.dice = dice
        self.done: Counter[str] = Counter()
        self._ended: dict[str, float] = {}

    def kill_one(self) -> str:
        weights = [len(WHOLE) * 2 + len(SELDOM), *[2] * len(WHOLE), *[1] * len(SELDOM)]
        (name,) = self.dice.choices([CHILD, *WHOLE, *SELDOM], weights)
        pid = self._find(name)
        if pid is None:
            return f"{name} is down already"
        with suppress(ProcessLookupError):
            # Only itself: what it leaves behind must find its own end.
            os.kill(pid, signal.SIGKILL)
        self.done[name] += 1
        return f"kill -9 {name}"

    def _find(self, name: str) -> int | None:
        process = self.fleet.process("worker-core" if name == CHILD else name)
        if process.has_ended():
            return None
        if name != CHILD:
            return process.pid
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        return int(self.dice.choice(children)) if children else None

    def start_what_has_ended(self) -> None:
        """A second later: others meet what it has left half done."""
        for process in self.fleet.supervisor.processes():
            if process.has_ended():
                since = self._ended.setdefault(process.name, time.monotonic())
                if time.monotonic() > since + 1:
                    del self._ended[process.name]
                    process.reap()
                    process.launch()

    def restart_postgres(self) -> None:
        """
        As `pg_ctl -m immediate` does it: no checkpoint, recovery from the write-ahead log.

        It says nothing of a machine that goes down: what was written survives in its memory.
        """
        process = self.fleet.process("postgres")
        os.kill(process.pid, signal.SIGQUIT)
        eventually(process.has_ended, within=30)
        process.reap()
        time.sleep(1)
        self.fleet.launch("postgres")

    def empty_broker(self) -> None:
        with redis.Redis(unix_socket_path=str(self.fleet.sockets / "valkey.sock")) as broker:
            broker.flushall()

    def restart_broker(self) -> None:
        self.fleet.kill("valkey")
        time.sleep(1)
        self.fleet.launch("valkey")

    def end_the_listening(self) -> None:
        end = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s"

        def terminated() -> bool:
            # The relay may be on its way back itself.
            self.start_what_has_ended()
            return bool(self.fleet.sql(end, "relay"))

        eventually(terminated, within=40)

    def script(self) -> list[Callable[[], None]]:
        return [
            self.end_the_listening,
            self.empty_broker,
            self.restart_postgres,
            self.restart_broker,
        ]

    def has_met_a_late_commit(self) -> bool:
        self.start_what_has_ended()
        return have_later_ones_been_delivered_first(self.fleet, SLOW)

    def has_done_all(self) -> bool:
        return all(self.done[step.__name__] for step in self.script())


def test_whatever_dies_nothing_is_lost_doubled_or_overtaken(
    storm: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    chaos = Chaos(storm, random.Random(SEED))
    with capsys.disabled():
        progress = Progress()
        _rage(chaos, progress)
        owed = _stand_still(storm)
        progress.say(f"  {owed} deliveries are owed, and all of them seen")
        took = _recover(storm)
        events, uncertain = storm.sql(
            "select (select count(*) from events_event), (select count(*) from events_delivery)"
        )[0]
        twice = assert_letters_went_at_most_twice(storm)
        progress.say(f"  {took:.0f} s later all {events} events are delivered,")
        progress.say(f"  letters: {twice} sent twice, {uncertain} uncertain; {dict(chaos.done)}")

    assert_events_are_the_committed_changes(storm)
    assert_each_effect_is_there_once(storm)
    assert_no_event_overtook_another(storm)
    assert assert_metrics_show_all_that_is_owed(storm) == uncertain
    assert events > SECONDS * 5, "there was hardly any load"
    assert "was not properly shut down" in (storm.logs / "postgres.log").read_text()


def _stand_still(fleet: Fleet) -> int:
    """Kill whoever delivers, and look at what is owed; publishers go on for two seconds more."""
    for name in (*WHOLE, "beat"):
        fleet.kill(name)
    time.sleep(2)
    for name in ("publisher", "slow-publisher"):
        fleet.kill(name)
    # What the killed have asked of the server ends a moment later.
    mine = "select count(*) from pg_stat_activity where application_name = any(%s)"
    eventually(lambda: fleet.sql(mine, [*WHOLE, "beat"]) == [(0,)], within=30)
    owed = assert_metrics_show_all_that_is_owed(fleet)
    assert owed
    return owed


def _recover(fleet: Fleet) -> float:
    """Start all but the publishers; return after how many seconds nobody is owed anything."""
    began = time.monotonic()
    for name in (*WHOLE, "beat"):
        fleet.process(name).launch()

    def is_quiet() -> bool:
        # A person may say "try now"; else the test would wait for a minute or more.
        fleet.sql(
            """update events_delivery set next_at = now() where id in (
                   select id from events_delivery where state = 'retry' for update skip locked)"""
        )
        time.sleep(0.5)
        return not fleet.sql("select 1 from events_delivery where state <> 'uncertain' limit 1")

    eventually(is_quiet, within=300)
    return time.monotonic() - began


def _rage(chaos: Chaos, progress: Progress) -> None:
    progress.say(f"\n  {SECONDS:g} s of chaos, CHAOS_SEED={SEED}")
    began = time.monotonic()
    script = chaos.script()
    pause = min(15.0, SECONDS / (len(script) + 1))
    kill_at, script_at = began + EVERY, began + pause
    # On a machine that is busy the script may take longer than the time it was given.
    while (now := time.monotonic()) < began + SECONDS or not chaos.has_done_all():
        chaos.start_what_has_ended()
        said = ""
        if now > script_at:
            step = script.pop(0)
            script.append(step)
            step()
            chaos.done[step.__name__] += 1
            said, script_at = step.__name__, now + pause
        elif now > kill_at:
            said, kill_at = chaos.kill_one(), now + EVERY
        if said:
            progress.say(f"  {now - began:5.0f} s  {said}")
        time.sleep(0.05)
    eventually(chaos.has_met_a_late_commit, within=60)
