import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

from django.db import connection

T = TypeVar("T")


def at_once(times: int, call: Callable[[int], T]) -> list[T]:
    """Call it from that many threads at the same moment; return what each returned."""
    start = Barrier(times)

    def run(number: int) -> T:
        try:
            start.wait()
            return call(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(run, range(times)))


def eventually(true: Callable[[], Any], *, within: float = 5.0) -> Any:
    """Wait for something that another process or thread does; return it."""
    ends = time.monotonic() + within
    while not (found := true()):
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.01)
    return found
