"""Stand-in stacks: processes of their own, looked for in /proc when they should be gone."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workers.devstack.plan import PROJECT


class StandIn:
    """A stack in a folder of its own; all its processes have their working folder there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def write_procfile(self, text: str) -> None:
        (self.folder / "Procfile").write_text(text)

    def start(self, *options: str) -> subprocess.Popen[str]:
        path = f"{Path(sys.prefix, 'bin')}:{os.environ['PATH']}"
        process = subprocess.Popen(
            [sys.executable, "-m", "workers.devstack.tests.stand_in", str(self.folder), *options],
            cwd=PROJECT,
            env=os.environ | {"PATH": path, "PYTHONPATH": f"{PROJECT}:{self.folder}"},
            stdout=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def start_and_wait(self, *options: str) -> subprocess.Popen[str]:
        process = self.start(*options)
        read_until(process, "up")
        return process

    def processes(self) -> dict[int, str]:
        """Return pid → command of all that live, the supervisor not included."""
        found = {}
        for entry in Path("/proc").iterdir():
            try:
                if (entry / "cwd").readlink().is_relative_to(self.folder):
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found[int(entry.name)] = command
            except (OSError, ValueError):
                continue
        return found

    def stop_all(self) -> None:
        for process in self._started:
            process.terminate()
            process.communicate(timeout=15)
        wait_until(lambda: not self.processes(), 10)


@pytest.fixture
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    # Short, for the sockets; with a space, for everything else.
    running = StandIn(tmp_path_factory.mktemp("a b"))
    yield running
    running.stop_all()


def wait_until(holds: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not so within {seconds:g} s"
        time.sleep(0.02)


def read_until(process: subprocess.Popen[str], end: str) -> str:
    """Return the first line with `end` in it."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if end in line:
            return line
    raise AssertionError(f"it ended before it said {end!r}: {lines}")
