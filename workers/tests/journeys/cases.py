"""A trouble of the local Chapa, and what must be seen of Guzo under it. Pure."""

from dataclasses import dataclass

from payments.chapa.sandbox.faults import CHOICES


@dataclass(frozen=True)
class Told:
    """What the client of our API gets: HTTP status, code, Retry-After."""

    http_status: int
    code: str | None = None
    retry_after: str | None = None


@dataclass(frozen=True)
class State:
    """How things stand; of several payments or refunds the oldest is first."""

    booking: str
    payments: tuple[str, ...]
    ledger: tuple[str, ...] = ()
    refunds: tuple[str, ...] = ()
    statement: str = ""


@dataclass(frozen=True)
class Expected:
    """
    What a case must show.

    `heard`: what Guzo makes of the answer, or what came in and how it was answered. `then`: how
    things stand in the trouble, `ends`: once it is over. Both are None where nothing in Guzo asks.
    """

    heard: str
    told: Told | None = None
    then: State | None = None
    ends: State | None = None


@dataclass(frozen=True)
class Case:
    """
    A switch in a position. `effect`: whether Chapa carries the call out all the same; None where
    there is nothing to carry out. A position that no switch has is something that happened before.
    """

    switch: str
    position: str
    effect: bool | None
    expected: Expected

    @property
    def turned(self) -> dict[str, object]:
        """What to turn; a switch without choices has numbers for positions."""
        if self.switch not in CHOICES:
            return {self.switch: float(self.position)}
        return {self.switch: self.position} if self.position in CHOICES[self.switch] else {}

    def __str__(self) -> str:
        carried_out = {True: " carried out", False: " not carried out", None: ""}[self.effect]
        return f"{self.switch} {self.position}{carried_out}"
