"""One supervisor for each folder of local state, held by a file lock that dies with its process."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Held(Exception):
    """Another process holds the lock; the text says which, as it described itself."""


@contextmanager
def hold_lock(local: Path, holder: str) -> Iterator[None]:
    """
    Hold `lock` in the folder, made if absent; the pid and the holder's name are written into it.

    :raises Held: if another process holds it.
    """
    local.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(local / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Held(os.read(descriptor, 200).decode(errors="replace").strip()) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{holder}, pid {os.getpid()}\n".encode())
        yield
    finally:
        # The file stays: were it removed, two processes could lock two files of one name.
        os.close(descriptor)


if __name__ == "__main__":
    # For `make clean`: fail, and say why, if the folder is in use.
    try:
        with hold_lock(Path(sys.argv[1]), "make clean"):
            pass
    except Held as held:
        sys.exit(f"{sys.argv[1]} is in use by {held}. Stop it first.")
