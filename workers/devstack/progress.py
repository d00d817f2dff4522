"""What is shown of something that takes a while, one line as each thing happens."""

import os
import sys
import time
from typing import TextIO

GREEN, RED, DIM = "32", "31", "2"


class Progress:
    """Lines for a person; coloured only on a terminal, and not where NO_COLOR is set."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._coloured = stream.isatty() and "NO_COLOR" not in os.environ

    def say(self, text: str = "") -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def step(self, name: str, state: str, seconds: float) -> None:
        self.say(f"  {name:<14}{self.paint(f'{state:<10}', GREEN)}{seconds:6.1f} s")

    def paint(self, text: str, colour: str) -> str:
        return f"\033[{colour}m{text}\033[0m" if self._coloured else text


class Bar:
    """How far a count is: one line that is drawn anew on a terminal, elsewhere one now and then."""

    WIDTH = 30

    def __init__(
        self,
        total: int,
        stream: TextIO = sys.stdout,
        *,
        unit: str = "",
        every_s: float | None = None,
    ) -> None:
        self._total = total
        self._unit = f" {unit}" if unit else ""
        self._stream = stream
        self._redraws = stream.isatty()
        self._every_s = (0.1 if self._redraws else 5.0) if every_s is None else every_s
        self._began = self._drawn = time.monotonic()

    def show(self, done: int) -> None:
        """Draw it, unless it was drawn a moment ago."""
        if (now := time.monotonic()) >= self._drawn + self._every_s:
            self._drawn = now
            self._draw(done, end="" if self._redraws else "\n")

    def end(self, done: int) -> None:
        """Draw it for the last time, and end its line."""
        self._draw(done, end="\n")

    def _draw(self, done: int, *, end: str) -> None:
        share = min(done / self._total, 1) if self._total else 1
        bar = ("#" * round(share * self.WIDTH)).ljust(self.WIDTH, "-")
        per_second = done / max(time.monotonic() - self._began, 0.001)
        start = "\r" if self._redraws else ""
        line = f"  [{bar}]  {done:,} of {self._total:,}{self._unit}  {per_second:,.1f}/s  "
        self._stream.write(f"{start}{line}{end}")
        self._stream.flush()
