"""
Create .venv and install one lock into it: `python -I install.py LOCK STAMP...` in the project.

Run by the Makefile before anything is installed, hence with the standard library only. The stamps
are touched at the very end, and old ones removed first: an interrupted run is simply run again.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VENV = Path(".venv")
PYTHON = VENV / "bin" / "python"
_PROBE = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
# A caller's wish to install elsewhere, or against other constraints, does not concern this lock.
_FOREIGN = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_CONSTRAINT", "PIP_REQUIREMENT")


def main(lock: Path, stamps: list[Path]) -> None:
    log = Path(".local", "log", "install.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    for stamp in VENV.glob(".installed-*"):
        stamp.unlink()
    if not _is_usable():
        with _phase("creating .venv"):
            _run([sys.executable, "-m", "venv", "--clear", str(VENV)], log)
    count = sum("==" in line and line[0].isalnum() for line in lock.read_text().splitlines())
    with _phase(f"installing {count} packages"):
        pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--require-hashes", "--no-deps", "--requirement", str(lock)], log)
    for stamp in stamps:
        stamp.touch()


def _is_usable() -> bool:
    """A .venv may be half made, moved, made for another Python, or point at one that is gone."""
    try:
        # Scripts name their interpreter by its full path.
        moved = str(VENV.resolve()) not in (VENV / "bin" / "pip").read_text()
        probe = subprocess.run([PYTHON, "-c", _PROBE], capture_output=True, check=False)  # noqa: S603
    except OSError:
        return False
    return not moved and probe.returncode == 0


@contextmanager
def _phase(name: str) -> Iterator[None]:
    started = time.monotonic()
    print(f"  {name} … ", end="", flush=True)
    yield
    print(f"{time.monotonic() - started:.1f} s", flush=True)


def _run(command: list[str], log: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in _FOREIGN}
    # Not unset: pip.conf may ask for it, and inside a venv it is refused.
    environment["PIP_USER"] = "0"
    with log.open("wb") as output:
        done = subprocess.run(  # noqa: S603
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode != 0:
        tail = log.read_text(errors="replace").splitlines()[-20:]
        sys.exit("\n".join(["failed", *tail, f"All of it is in {log}."]))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), [Path(stamp) for stamp in sys.argv[2:]])
    except KeyboardInterrupt:
        sys.exit("interrupted; the next run goes on from here")
