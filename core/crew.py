"""Threads that wait for the outside world, each with a database connection while it lives."""

from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Generic, Self, TypeVar

from django.db import connection

J = TypeVar("J")
R = TypeVar("R")


class Crew(Generic[J, R]):
    """
    Does the same to one job after another, to `most` at once; what is given beyond that waits.

    There are never more threads than jobs at once. For one thread to give jobs to and to hear from.
    Leaving the block waits for what was given and closes the connections. The threads see the
    context variables of whoever made the crew.
    """

    def __init__(self, work: Callable[[J], R], *, most: int, name: str) -> None:
        self._work = work
        self._most = most
        self._name = name
        self._context = copy_context()
        self._jobs: SimpleQueue[J | None] = SimpleQueue()
        self._done: SimpleQueue[Future[R]] = SimpleQueue()
        self._threads: list[Thread] = []
        self.busy = 0

    def give(self, job: J) -> None:
        self.busy += 1
        if len(self._threads) < min(self.busy, self._most):
            run = self._context.copy().run
            thread = Thread(target=run, args=(self._run,), name=self._name)
            self._threads.append(thread)
            thread.start()
        self._jobs.put(job)

    def hear(self, *, timeout_s: float | None = None) -> list[Future[R]]:
        """Wait for what is done next; return it and what else is done, or nothing if none came."""
        heard: list[Future[R]] = []
        try:
            heard.append(self._done.get(timeout=timeout_s))
            while True:
                heard.append(self._done.get_nowait())
        except Empty:
            self.busy -= len(heard)
            return heard

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        try:
            while (job := self._jobs.get()) is not None:
                done: Future[R] = Future()
                try:
                    done.set_result(self._work(job))
                except BaseException as trouble:  # noqa: BLE001  (who hears of it raises it again)
                    done.set_exception(trouble)
                self._done.put(done)
        finally:
            connection.close()
