"""Threads that wait for their hour and can all be given up together."""

from collections.abc import Callable
from threading import Event, Lock, Thread


class Background:
    """Safe for many threads; what runs in it may begin more."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._given_up = Event()
        self._under_way: list[Thread] = []

    def begin(self, run: Callable[[Event], None]) -> None:
        """Run it in a thread of its own; the event it is given is set when it is to end."""
        with self._lock:
            thread = Thread(target=run, args=(self._given_up,), daemon=True)
            self._under_way = [each for each in self._under_way if each.is_alive()] + [thread]
            thread.start()

    def drop(self) -> None:
        """Let everything under way end, and wait for it; what begins afterwards runs."""
        # Again, because what was given up may have begun something while it ended.
        while given_up := self._give_up():
            for thread in given_up:
                thread.join()

    def _give_up(self) -> list[Thread]:
        with self._lock:
            under_way, self._under_way = self._under_way, []
            self._given_up.set()
            self._given_up = Event()
        return under_way
