"""Whatever ends the supervisor, in order or by force, nothing of its stack is left."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from workers.devstack.plan import PROJECT
from workers.devstack.tests.conftest import StandIn, read_until, wait_until

pytestmark = pytest.mark.crash

_SLEEPERS = """
first: sh -c "echo ready; exec sleep 1000"
second: sh -c "echo ready; sleep 1000; true"
"""
_STUBBORN = """
stubborn: sh -c "trap '' TERM; echo ready; while :; do sleep 1; done"
"""
_BROKEN = """
sleeper: sh -c "echo ready; exec sleep 1000"
broken: sh -c "echo no such thing; exit 3"
"""
# The two of our processes that have children of their own, over both servers.
_WSGI = """
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"ok"]
"""
_TASKS = """
import os, urllib.parse
from celery import Celery
app = Celery(broker="redis+socket://" + urllib.parse.quote(os.path.abspath("run/valkey.sock")))
"""
_PARENTS = """
web: gunicorn --bind 127.0.0.1:{port} --worker-class gthread --workers 2 --no-control-socket app
worker: celery --app tasks worker --pool prefork --concurrency 2 --loglevel INFO
"""


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def parents(stand_in: StandIn, port: int) -> StandIn:
    (stand_in.folder / "app.py").write_text(_WSGI)
    (stand_in.folder / "tasks.py").write_text(_TASKS)
    stand_in.write_procfile(_PARENTS.format(port=port))
    return stand_in


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_request_ends_everything(stand_in: StandIn, signum: signal.Signals) -> None:
    stand_in.write_procfile(_SLEEPERS)
    process = stand_in.start_and_wait()
    assert len(stand_in.processes()) == 3

    process.send_signal(signum)

    assert process.wait(5) == 128 + signum
    assert stand_in.processes() == {}


def test_a_process_that_ends_during_the_start_is_named_with_its_last_words(
    stand_in: StandIn,
) -> None:
    stand_in.write_procfile(_BROKEN)

    process = stand_in.start()
    said = process.communicate(timeout=10)[0]

    assert process.returncode == 1
    assert "broken ended (exit code 3)" in said
    assert said.rstrip().endswith("no such thing")
    assert stand_in.processes() == {}


def test_a_program_that_is_not_there_is_named(stand_in: StandIn) -> None:
    stand_in.write_procfile("ghost: no-such-program --at-all")

    process = stand_in.start()

    assert "ghost cannot be run" in process.communicate(timeout=10)[0]
    assert process.returncode == 1


def test_a_killed_process_is_started_again(stand_in: StandIn) -> None:
    stand_in.write_procfile(_SLEEPERS)
    process = stand_in.start_and_wait()
    killed = {pid for pid, command in stand_in.processes().items() if command.startswith("sh ")}

    os.kill(killed.pop(), signal.SIGKILL)

    assert "killed by SIGKILL; again in 1 s" in read_until(process, "second")
    wait_until(lambda: len(stand_in.processes()) == 3, 5)


def test_a_second_stack_in_the_same_folder_is_refused(stand_in: StandIn) -> None:
    stand_in.write_procfile(_SLEEPERS)
    first = stand_in.start_and_wait()

    command = [sys.executable, "-I", "workers/devstack/lock.py", str(stand_in.folder)]
    second = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)

    assert second.returncode == 1
    assert f"in use by stand-in, pid {first.pid}" in second.stderr


@pytest.mark.crash
def test_a_process_that_does_not_stop_is_killed_with_its_whole_group(stand_in: StandIn) -> None:
    stand_in.write_procfile(_STUBBORN)
    process = stand_in.start_and_wait()

    process.terminate()
    said = process.communicate(timeout=10)[0]

    assert "stubborn did not stop in time; killed" in said
    assert stand_in.processes() == {}


@pytest.mark.crash
def test_servers_and_parents_of_processes_stop_within_ten_seconds(parents: StandIn) -> None:
    process = parents.start_and_wait("servers")
    assert len(parents.processes()) > 12

    process.terminate()

    assert process.wait(10) == 128 + signal.SIGTERM
    assert parents.processes() == {}


@pytest.mark.crash
def test_nothing_outlives_a_killed_supervisor(parents: StandIn, port: int) -> None:
    process = parents.start_and_wait("servers")

    process.kill()

    wait_until(lambda: not parents.processes(), 5)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.crash
def test_a_killed_parent_takes_its_children_along_before_it_is_started_again(
    parents: StandIn,
) -> None:
    process = parents.start_and_wait("servers")
    ours = parents.processes().items()
    old = {pid for pid, command in ours if "celery" in command or "gunicorn" in command}
    assert len(old) == 6
    for name in ("celery", "gunicorn"):
        os.kill(min(pid for pid, command in ours if name in command), signal.SIGKILL)

    for _ in range(2):
        assert "killed by SIGKILL; again in 1 s" in read_until(process, "again")
    time.sleep(0.2)

    assert not old & parents.processes().keys()
    wait_until(lambda: len(parents.processes()) >= len(ours), 15)


@pytest.mark.crash
@pytest.mark.parametrize("server", ["bin/postgres", "valkey-server"])
def test_a_killed_server_is_started_again(parents: StandIn, server: str) -> None:
    parents.write_procfile(_SLEEPERS)
    process = parents.start_and_wait("servers")
    before = {pid for pid, command in parents.processes().items() if server in command}

    os.kill(min(before), signal.SIGKILL)

    read_until(process, "again in 1 s")
    wait_until(lambda: {p for p, c in parents.processes().items() if server in c} - before, 5)
    assert process.poll() is None
