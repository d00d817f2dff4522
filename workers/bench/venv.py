"""The packages that Guzo is measured against, in an environment of their own."""

import hashlib
import platform
import subprocess
import sys
from pathlib import Path

from workers.devstack.plan import LOCAL, PROJECT

_INSTALL = PROJECT / "workers" / "devstack" / "install.py"


def make_venv(lock: Path) -> Path:
    """
    Return the Python of an environment that holds this lock; it is made only once.

    It stays under .local/bench, named by what decides its content; `make clean` removes it.

    :raises SystemExit: if it cannot be made; pip has said why.
    """
    known_by = f"{platform.python_version()}\n{PROJECT}\n{lock.read_text()}"
    folder = PROJECT / LOCAL / "bench" / hashlib.sha256(known_by.encode()).hexdigest()[:12]
    stamp = folder / ".venv" / ".installed-bench"
    if not stamp.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-I", str(_INSTALL), str(lock), str(stamp)]
        done = subprocess.run(command, cwd=folder, check=False)  # noqa: S603 - our own script
        if done.returncode != 0:
            raise SystemExit(done.returncode)
    return folder / ".venv" / "bin" / "python"
