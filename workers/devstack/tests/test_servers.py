"""The embedded servers on folders that real clones have, and after deaths that real ones die."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import dj_database_url
import psycopg2
import pytest
from kombu import Connection

from core.embedded import LONGEST_SOCKET_FOLDER, broker_url, database_url, runtime_folder
from workers.devstack.plan import PROJECT
from workers.devstack.postgres import start_postgres
from workers.devstack.progress import Progress
from workers.devstack.supervisor import Supervisor
from workers.devstack.valkey import start_valkey

pytestmark = pytest.mark.crash


@contextmanager
def running_servers(project: Path) -> Iterator[None]:
    local = project / ".local"
    with Supervisor(local / "log", Progress(io.StringIO())) as supervisor:
        sockets = runtime_folder(project)
        data = local / "postgres"
        start_postgres(supervisor, data=data, sockets=sockets, environment=os.environ)
        start_valkey(supervisor, sockets=sockets, environment=os.environ)
        yield


def ask(project: Path, query: str) -> object:
    parts = dj_database_url.parse(database_url(project))
    connection = psycopg2.connect(
        host=parts["HOST"], port=parts["PORT"], user=parts["USER"], dbname=parts["NAME"]
    )
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(query)
        row = cursor.fetchone()
        return row[0] if row else None


@pytest.mark.parametrize(
    "name", ["Two words; 100% ünusual, \"quoted\" 'twice' #1?", "deep/" * 20 + "end"]
)
def test_both_servers_are_reached_by_their_urls_wherever_the_clone_is(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    project = tmp_path / name
    project.mkdir(parents=True)

    with running_servers(project):
        assert ask(project, "SHOW server_encoding") == "UTF8"
        assert ask(project, "SHOW fsync") == "on"
        with Connection(broker_url(project, database=3)) as broker:
            queue = broker.SimpleQueue("bells")
            queue.put("ring")
            assert queue.get(timeout=2).payload == "ring"

    assert len(os.fsencode(runtime_folder(project))) <= LONGEST_SOCKET_FOLDER
    assert not any(project.rglob("*.sock"))


def test_a_runtime_folder_that_others_can_enter_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    project = tmp_path / ("deep/" * 20)
    runtime_folder(project).chmod(0o755)

    with pytest.raises(PermissionError, match="only this user"):
        runtime_folder(project)


@pytest.mark.crash
def test_data_outlive_a_stop_and_a_pid_file_that_names_somebody_else(tmp_path: Path) -> None:
    with running_servers(tmp_path):
        ask(tmp_path, "SELECT set_config('guzo.x', 'x', false)")
        parts = dj_database_url.parse(database_url(tmp_path))
        with closing(psycopg2.connect(host=parts["HOST"], user="guzo", dbname="guzo")) as writer:
            writer.autocommit = True
            writer.cursor().execute("CREATE TABLE kept AS SELECT 42 AS answer")

    data, sockets = tmp_path / ".local" / "postgres", runtime_folder(tmp_path)
    for pid_file in (data / "postmaster.pid", sockets / ".s.PGSQL.5432.lock"):
        # This very test lives, so PostgreSQL alone would believe it to be its older self.
        pid_file.write_text(f"{os.getpid()}\n{data}\n0\n5432\n{sockets}\n")

    with running_servers(tmp_path):
        assert ask(tmp_path, "SELECT answer FROM kept") == 42


@pytest.mark.crash
def test_a_server_that_is_still_stopping_is_waited_for(tmp_path: Path) -> None:
    local = tmp_path / ".local"
    with Supervisor(local / "log", Progress(io.StringIO())) as first:
        start_postgres(
            first,
            data=local / "postgres",
            sockets=runtime_folder(tmp_path),
            environment=os.environ,
        )
        os.kill(int((local / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGINT)

        with running_servers(tmp_path):
            assert ask(tmp_path, "SELECT 1") == 1


@pytest.mark.crash
@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user for PostgreSQL")
def test_root_without_user_namespaces_runs_postgres_as_nobody(tmp_path: Path) -> None:
    # Below a folder that nobody but root may enter, as a clone in root's home is.
    tmp_path.chmod(0o700)
    forbid = PROJECT / "workers/devstack/tests/without_namespaces.py"
    script = f"""
import sys; sys.path.insert(0, {str(PROJECT)!r})
from pathlib import Path
from workers.devstack.tests.test_servers import ask, running_servers
project = Path({str(tmp_path)!r})
with running_servers(project):
    print(ask(project, "SELECT 'it answers'"), (project / ".local/postgres").stat().st_uid)
"""
    done = subprocess.run(
        [sys.executable, forbid, sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "it answers 65534\n", done.stderr
