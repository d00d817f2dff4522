"""What is shown of a start and a stop, one line as each thing happens."""

import os
import sys
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
