from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

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
