"""Where the embedded PostgreSQL and Valkey of one clone listen: unix sockets named by its path."""

import hashlib
import os
import stat
import tempfile
from pathlib import Path
from urllib.parse import quote

# sockaddr_un has 108 bytes; PostgreSQL appends "/.s.PGSQL.5432" and a NUL to the folder.
LONGEST_SOCKET_FOLDER = 93


def runtime_folder(project: Path, local: str = ".local") -> Path:
    """
    Return the folder of both sockets; nothing is created in the project.

    A path too long for a socket gives way to a private folder under the temporary directory,
    named by a hash of the project's path, which is created here if it is not there yet.

    :raises PermissionError: if that folder belongs to someone else or is open to others.
    """
    folder = project / local / "run"
    if len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER:
        return folder
    digest = hashlib.sha256(os.fsencode(project / local)).hexdigest()[:16]
    return _private(Path(tempfile.gettempdir(), f"guzo-{digest}"))


def database_url(project: Path, local: str = ".local") -> str:
    """Return the address of the embedded PostgreSQL; the socket's folder stands as the host."""
    # The port is named so that a PGPORT of the caller cannot lead elsewhere.
    return f"postgres://guzo@{quote(str(runtime_folder(project, local)), safe='')}:5432/guzo"


def broker_url(project: Path, database: int = 0, local: str = ".local") -> str:
    """Return the address of one numbered database of the embedded Valkey, as Celery writes it."""
    socket = quote(str(runtime_folder(project, local) / "valkey.sock"))
    return f"redis+socket://{socket}?virtual_host={database}"


def _private(folder: Path) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if (
        not stat.S_ISDIR(found.st_mode)
        or found.st_uid != os.geteuid()
        or stat.S_IMODE(found.st_mode) != 0o700
    ):
        raise PermissionError(f"{folder} must be a folder that only this user can enter")
    return folder
