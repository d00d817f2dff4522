"""Seconds in handlers: what is counted, and by whom it is counted on."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from events.base import Group, PermanentFailure
from events.delivery import drain_group
from events.tests.cast import (
    AT,
    Fussy,
    HandClock,
    LetterOwed,
    Post,
    WorkerDies,
    record_at,
    route_letters,
    route_steps,
    steps,
)
from events.tests.conftest import UseRoutes
from events.timing import FILE_SIZE, Slot, collect_handler_seconds, time_handler

PROJECT = Path(__file__).parents[2]


def counts() -> dict[tuple[str, str], float]:
    """Return how often each handler came to each outcome."""
    return {
        (sample.labels["handler"], sample.labels["outcome"]): sample.value
        for metric in collect_handler_seconds()
        for sample in metric.samples
        if sample.name == "guzo_handler_seconds_count"
    }


Counted = Callable[[str], list[float]]


@pytest.fixture
def counted() -> Counted:
    """How often a handler of this process was delivered, and failed, since the test began."""
    before = counts()

    def since(handler: str) -> list[float]:
        keys, now = [(handler, "delivered"), (handler, "failed")], counts()
        return [now.get(key, 0) - before.get(key, 0) for key in keys]

    return since


@pytest.mark.django_db(transaction=True)
def test_each_run_of_a_transactional_handler_is_counted_by_what_came_of_it(
    use_routes: UseRoutes, clock: HandClock, counted: Counted
) -> None:
    use_routes(route_steps(Fussy({2: PermanentFailure("no")})))
    record_at(AT, *steps(3))

    drain_group(Group.CORE, clock)

    assert counted("note_step") == [2, 1]


@pytest.mark.django_db(transaction=True)
def test_what_an_outbound_handler_asks_and_writes_is_one_run(
    use_routes: UseRoutes, clock: HandClock, counted: Counted
) -> None:
    def refuse(*_: Any) -> None:
        raise PermanentFailure("not to be written")

    use_routes(route_letters(Post("taken")))
    record_at(AT, LetterOwed(), LetterOwed())
    drain_group(Group.MAIL, clock)
    assert counted("send_letter") == [2, 0]

    use_routes(route_letters(Post("taken"), write=refuse))
    record_at(AT, LetterOwed())
    drain_group(Group.MAIL, clock)
    assert counted("send_letter") == [2, 1]


def test_a_run_that_nothing_can_catch_is_a_failed_one(counted: Counted) -> None:
    with pytest.raises(WorkerDies), time_handler("mortal"):
        raise WorkerDies

    assert counted("mortal") == [0, 1]


# Five children in turn count twice and are killed; one more finds the folder gone.
FAMILY = """
import os, signal, sys
from pathlib import Path
from django.conf import settings
folder = Path(sys.argv[1])
settings.configure(PROMETHEUS_MULTIPROC_DIR=str(folder))
from events.timing import time_handler

def run():
    with time_handler("note_step"):
        pass

run()
for _ in range(5):
    if not os.fork():
        run(), run()
        os.kill(os.getpid(), signal.SIGKILL)
    os.wait()
run()
folder.rename(folder.with_name("away"))
if not os.fork():
    run()
    os._exit(7)
print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_the_dead_counted_stays_and_their_files_are_used_again(
    tmp_path: Path, settings: Settings
) -> None:
    folder, away = tmp_path / "metrics", tmp_path / "away"
    folder.mkdir()

    family = subprocess.run(
        [sys.executable, "-c", FAMILY, str(folder)], cwd=PROJECT, capture_output=True, text=True
    )

    assert family.stdout.splitlines()[-1:] == ["7"], family.stderr
    assert "handler_seconds.not_counted" in family.stdout + family.stderr
    assert sorted(file.name for file in away.iterdir()) == ["histogram_0.db", "histogram_1.db"]
    settings.PROMETHEUS_MULTIPROC_DIR = str(away)
    assert counts() == {("note_step", "delivered"): 12}


def test_a_file_that_cannot_be_read_is_passed_over_and_made_anew(
    tmp_path: Path, settings: Settings
) -> None:
    settings.PROMETHEUS_MULTIPROC_DIR = str(tmp_path)
    torn = b"\x00\x10" + b"\x00" * 200
    for number, content in enumerate((b"", torn)):
        (tmp_path / f"histogram_{number}.db").write_bytes(content)

    assert counts() == {}
    slots = [Slot(tmp_path) for _ in range(3)]
    assert [slot() for slot in slots] == [0, 1, 2]
    assert [slot() for slot in slots] == [0, 1, 2]
    for slot in slots:
        os.close(slot.descriptor)
    sizes = {file.stat().st_size for file in tmp_path.iterdir()}
    assert sizes == {FILE_SIZE}
