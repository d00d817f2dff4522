"""When a sweep stops asking Chapa."""

from dataclasses import dataclass

# Chapa is away when it leaves this many in a row without an answer; the next sweep tries again.
# One payment that it answers oddly is not that.
SILENT_IN_A_ROW = 3


@dataclass
class Breaker:
    """Keeps one sweep from asking Chapa on and on while it is away."""

    silent_in_a_row: int = 0

    @property
    def is_open(self) -> bool:
        return self.silent_in_a_row >= SILENT_IN_A_ROW

    def note(self, *, answered: bool) -> None:
        self.silent_in_a_row = 0 if answered else self.silent_in_a_row + 1
