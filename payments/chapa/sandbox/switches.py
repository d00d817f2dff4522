"""The switches as they stand: for all, for one transaction, and thrown by chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from threading import Lock

from payments.chapa.sandbox.faults import AT_REST, BY_CHANCE, Faults, checked_changes

# Claims end in front of a person, so nobody gets them without asking for them.
USUAL_KINDS = tuple(kind for kind in BY_CHANCE if kind != "claim")


@dataclass(frozen=True, kw_only=True)
class Chance:
    """A share `rate` of everything of these kinds goes wrong, in a way drawn from `seed`."""

    seed: int
    rate: float
    kinds: tuple[str, ...] = USUAL_KINDS


class FaultSwitches:
    """The switches and the position each starts in. Safe for many threads."""

    def __init__(self, start: Faults) -> None:
        self._lock = Lock()
        self._start = start
        self._now = start
        self._of_one: dict[str, dict[str, object]] = {}
        self._chance: Chance | None = None
        self._dice: dict[str, Random] = {}

    @property
    def now(self) -> Faults:
        """The positions for all transactions."""
        return self._now

    @property
    def chance(self) -> Chance | None:
        return self._chance

    def of(self, tx_ref: str) -> Faults:
        """Return the positions for one transaction: its own before those for all."""
        with self._lock:
            return _turned(self._now, self._of_one.get(tx_ref, {}))

    def own(self, tx_ref: str) -> Mapping[str, object]:
        """Return the switches that are turned for one transaction alone."""
        with self._lock:
            return dict(self._of_one.get(tx_ref, {}))

    def choose(self, kind: str, tx_ref: str) -> str:
        """Return the position for one call or delivery; drawn by chance where it is at rest."""
        position = str(getattr(self.of(tx_ref), kind))
        with self._lock:
            chance = self._chance
            if chance is None or kind not in chance.kinds or position not in AT_REST:
                return position
            dice = self._dice[kind]
            # Both are drawn each time: else a choice would depend on the rate before it.
            hit, choice = dice.random() < chance.rate, dice.choice(BY_CHANCE[kind])
            return choice if hit else position

    def set(self, changes: Mapping[str, object]) -> Faults:
        """
        Turn some switches for all, leaving the others; return all positions.

        :raises ValueError: naming the first switch or position that does not exist; then
            nothing is turned.
        """
        checked = checked_changes(changes)
        with self._lock:
            self._now = _turned(self._now, checked)
            return self._now

    def set_for(self, tx_ref: str, changes: Mapping[str, object]) -> Faults:
        """
        Turn some switches for one transaction, which need not be there yet; return its positions.

        :raises ValueError: as `set` does.
        """
        checked = checked_changes(changes)
        with self._lock:
            self._of_one[tx_ref] = self._of_one.get(tx_ref, {}) | checked
        return self.of(tx_ref)

    def put_for(self, tx_ref: str, changes: Mapping[str, object]) -> None:
        """
        Let exactly these be turned for one transaction.

        :raises ValueError: as `set` does.
        """
        checked = checked_changes(changes)
        with self._lock:
            self._of_one[tx_ref] = checked

    def clear_for(self, tx_ref: str) -> None:
        """Let a transaction have the positions of all again."""
        with self._lock:
            self._of_one.pop(tx_ref, None)

    def leave_to_chance(
        self, *, seed: int, rate: float, kinds: Sequence[str] = USUAL_KINDS
    ) -> Chance:
        """
        Let things go wrong by chance, from now on.

        Of each kind the same seed gives the same choices for the same order of calls.

        :raises ValueError: if the rate is no share, or there is no such kind.
        """
        if not 0 <= rate <= 1:
            raise ValueError("rate must be from 0 to 1")
        for kind in kinds:
            if kind not in BY_CHANCE:
                raise ValueError(f"kinds must be of {', '.join(BY_CHANCE)}")
        with self._lock:
            self._chance = Chance(seed=seed, rate=rate, kinds=tuple(kinds))
            # A sequence for each, so that one kind's calls do not shift another's choices.
            self._dice = {kind: Random(f"{seed} {kind}") for kind in kinds}  # noqa: S311
            return self._chance

    def leave_nothing_to_chance(self) -> None:
        with self._lock:
            self._chance = None

    def clear(self) -> None:
        """Put every switch back to where it started; nothing is left to chance."""
        with self._lock:
            self._now = self._start
            self._of_one.clear()
            self._chance = None


def _turned(faults: Faults, checked: Mapping[str, object]) -> Faults:
    # Names and values were checked one by one, which mypy cannot see.
    return replace(faults, **checked)  # type: ignore[arg-type]
