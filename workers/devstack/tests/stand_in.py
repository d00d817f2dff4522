"""A small stack under the real supervisor, run as a process of its own so that it can be killed."""

import os
import sys
from pathlib import Path

from workers.devstack.lock import hold_lock
from workers.devstack.postgres import start_postgres
from workers.devstack.process import Program
from workers.devstack.procfile import read_procfile
from workers.devstack.progress import Progress
from workers.devstack.signals import StopRequested, stop_requests
from workers.devstack.supervisor import StackFailed, Supervisor
from workers.devstack.valkey import start_valkey


def main(folder: Path, *, servers: bool) -> int:
    """Run the folder's Procfile, with both servers if asked; say `up` when all is ready."""
    logs, sockets = folder / "log", folder / "run"
    try:
        with (
            stop_requests(),
            hold_lock(folder, "stand-in"),
            Supervisor(logs, Progress()) as supervisor,
        ):
            if servers:
                start_postgres(
                    supervisor, data=folder / "postgres", sockets=sockets, environment=os.environ
                )
                start_valkey(supervisor, sockets=sockets, environment=os.environ)
            commands = read_procfile(folder / "Procfile").items()
            supervisor.start(*(_program(folder, name, argv) for name, argv in commands))
            Progress().say("up")
            supervisor.keep_running()
    except StopRequested as stop:
        return stop.exit_code
    except StackFailed as failure:
        Progress().say(str(failure))
        return 1


def _program(folder: Path, name: str, argv: tuple[str, ...]) -> Program:
    return Program(
        name=name,
        argv=argv,
        environment=os.environ,
        folder=folder,
        is_ready=lambda output: b"ready" in output or b"Listening at" in output,
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), servers="servers" in sys.argv))
