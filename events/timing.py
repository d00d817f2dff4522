"""How long handlers take: one histogram, summed over all processes that share a folder."""

import fcntl
import json
import os
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import structlog
from django.conf import settings
from prometheus_client import Histogram, values
from prometheus_client.core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

log = structlog.get_logger(__name__)

HANDLER_SECONDS = Histogram(
    "guzo_handler_seconds",
    "Seconds in handlers, by what came of it",
    ("handler", "outcome"),
    registry=None,
    # From one row written to the longest ask: 20 s for a mail, 13 s for Chapa.
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30),
)
# Five handlers fill half of it. It is allocated at once: a write into a hole of a mapped file on a
# full disk would kill the process.
FILE_SIZE = 1 << 16
MOST_PROCESSES = 1000


@contextmanager
def time_handler(handler: str) -> Iterator[None]:
    """Count the block and its seconds as `delivered`, or as `failed` if it raises."""
    outcome, started = "failed", time.perf_counter()
    try:
        yield
        outcome = "delivered"
    finally:
        _observe(handler, outcome, time.perf_counter() - started)


def collect_handler_seconds() -> Iterable[Metric]:
    """Sum over the processes of the folder, living and dead; without a folder, this one's."""
    folder = settings.PROMETHEUS_MULTIPROC_DIR
    if not folder:
        return HANDLER_SECONDS.collect()
    files = [str(file) for file in sorted(Path(folder).glob("*.db")) if _is_whole(file)]
    metrics: Iterable[Metric] = MultiProcessCollector.merge(files)
    return metrics


def _observe(handler: str, outcome: str, seconds: float) -> None:
    try:
        _choose_values()
        HANDLER_SECONDS.labels(handler, outcome).observe(seconds)
    except OSError as error:
        # A folder that went away is no reason to fail a handler.
        _complain_once(type(error).__name__)


@cache
def _choose_values() -> None:
    # The library chooses when it is imported, by its environment variable alone, and names a
    # process's file by its pid, which containers have in common.
    if folder := settings.PROMETHEUS_MULTIPROC_DIR:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        values.ValueClass = values.MultiProcessValue(Slot(Path(folder)))
    else:
        values.ValueClass = values.MutexValue


@cache
def _complain_once(error: str) -> None:
    log.warning("handler_seconds.not_counted", error=error)


@dataclass
class Slot:
    """
    The number of the file that is this process's own for as long as it lives.

    The lowest that nobody has locked: whatever a dead process counted is counted on, and there are
    never more files than there were processes at once.
    """

    folder: Path
    pid: int = 0
    number: int = 0
    descriptor: int = -1

    def __call__(self) -> int:
        """Return the number; a forked child takes one of its own."""
        if self.pid != os.getpid():
            # The parent's is let go afterwards, so that it cannot be the one taken.
            inherited, (self.number, self.descriptor) = self.descriptor, self._take()
            self.pid = os.getpid()
            if inherited >= 0:
                os.close(inherited)
        return self.number

    def _take(self) -> tuple[int, int]:
        for number in range(MOST_PROCESSES):
            file = self.folder / f"histogram_{number}.db"
            try:
                descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
            except PermissionError:
                continue  # somebody ran a command as another user
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not _is_whole(file):
                    os.ftruncate(descriptor, 0)
                    os.posix_fallocate(descriptor, 0, FILE_SIZE)
            except OSError as error:
                os.close(descriptor)
                if not isinstance(error, BlockingIOError):
                    raise
            else:
                return number, descriptor
        raise OSError(f"no file in {self.folder} is free")


def _is_whole(file: Path) -> bool:
    """Return whether a file can be read: one that is just being made, or was half on disk when the
    machine went down, would end every scrape."""
    try:
        for key, *_ in MmapedDict.read_all_values_from_file(str(file)):
            json.loads(key)
    except (OSError, RuntimeError, ValueError, struct.error):
        return False
    return True
