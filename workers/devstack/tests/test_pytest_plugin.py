"""Runs of pytest in processes of their own: they share nothing and leave nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workers.devstack.plan import PROJECT
from workers.devstack.tests.conftest import wait_until

_TEST = """
import os, time
from pathlib import Path
def test_nothing():
    Path({said!r}).write_text(os.environ["DATABASE_URL"] + " " + os.environ["BROKER_URL"])
    time.sleep({seconds})
"""

Run = Callable[..., subprocess.Popen[bytes]]
# Every run of the tests loads the plugin; these start further ones.
pytestmark = pytest.mark.crash


@pytest.fixture
def said(tmp_path: Path) -> Path:
    return tmp_path / "said"


@pytest.fixture
def run(tmp_path: Path, said: Path) -> Run:
    def run_pytest(seconds: float = 0, **environment: str) -> subprocess.Popen[bytes]:
        test = tmp_path / "test_it.py"
        test.write_text(_TEST.format(said=str(said), seconds=seconds))
        servers = ("DATABASE_URL", "BROKER_URL")
        inherited = {name: value for name, value in os.environ.items() if name not in servers}
        options = ["-q", "--rootdir", str(tmp_path), "-c", os.devnull, "-p", "no:django"]
        plugin = ["-p", "workers.devstack.pytest_plugin"]
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, *plugin, str(test)],
            cwd=PROJECT,
            env=inherited | environment,
            stdout=subprocess.PIPE,
        )

    return run_pytest


def local_folder(url: str) -> Path:
    return Path(url.partition("redis+socket://")[2].partition("/run/")[0])


def processes_naming(folder: Path) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            cwd = (entry / "cwd").readlink()
        except OSError:
            continue
        if cwd.is_relative_to(folder):
            found.append(entry.name)
    return found


def test_two_runs_at_once_have_servers_of_their_own(run: Run, said: Path) -> None:
    output, _ = (inner := run()).communicate(timeout=30)

    assert inner.returncode == 0, output
    database, broker = said.read_text().split()
    assert database != os.environ["DATABASE_URL"]
    assert broker != os.environ["BROKER_URL"]
    assert processes_naming(local_folder(broker)) == []


def test_servers_of_the_environment_are_used_and_none_started(run: Run, said: Path) -> None:
    given = {"DATABASE_URL": "postgres://elsewhere/x", "BROKER_URL": "redis://elsewhere/0"}

    output, _ = (inner := run(**given)).communicate(timeout=30)

    assert inner.returncode == 0, output
    assert said.read_text() == " ".join(given.values())


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_ended_by_force_leaves_no_server(
    run: Run, said: Path, signum: signal.Signals
) -> None:
    inner = run(seconds=60)
    wait_until(lambda: said.exists() and said.read_text(), 30)
    local = local_folder(said.read_text())
    assert processes_naming(local)

    inner.send_signal(signum)
    inner.communicate()

    wait_until(lambda: not processes_naming(local), 5)
