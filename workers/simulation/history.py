"""One history: from a seed to what is wrong at its end."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from unittest.mock import patch

from core.errors import Refusal
from payments.chapa.sandbox.server import RunningSandbox
from payments.chapa.sandbox.transactions import NotAllowed
from workers.simulation import acts, loops, statement, verdict
from workers.simulation.world import HandClock, NothingToDo, World, new_seeded_id, new_world

_FEWEST_STEPS, _MOST_STEPS = 10, 40
_MOST_DRAWS = 20
# After the last step everything is repaired, and the loops come back at these ages: as long as
# anybody still looks, which is 7 days for a payment and 10 for a refund.
_AFTERWARDS = (
    *(timedelta(minutes=minutes) for minutes in (0, 2, 12, 35, 100)),
    *(timedelta(hours=hours) for hours in (7, 24)),
    *(timedelta(days=days) for days in (2, 3, 5, 8, 11, 12)),
)
# Some of them look at the last 72 hours only.
_LOOKS = (timedelta(0), timedelta(days=1), timedelta(days=2))


class HistoryBroken(AssertionError):
    """What must always be true is not, at the end of a history or on its way."""


def live(seed: int, clock: HandClock, chapa: RunningSandbox) -> World:
    """
    Live through the history of a seed, on empty tables, and look at its end.

    :raises HistoryBroken: with all steps and what is wrong.
    """
    world = new_world(seed, clock, chapa)
    with _seeded(world):
        try:
            _begin(world)
            for _ in range(world.dice.randint(_FEWEST_STEPS, _MOST_STEPS)):
                _step(world)
            wrong = _settle_down(world) or verdict.find_wrong(world) or statement.find_wrong(world)
        except Exception as trouble:
            raise HistoryBroken(
                _report(world, [f"{type(trouble).__name__}: {trouble}"])
            ) from trouble
    if wrong:
        raise HistoryBroken(_report(world, wrong))
    return world


def _begin(world: World) -> None:
    """
    Most histories have faults by chance from the start; in some Chapa refunds nothing, or the
    money comes back to it in the end.
    """
    refunds = "on" if world.dice.random() < 0.8 else "off"
    dice = random.Random(f"refunds of {world.seed}")  # noqa: S311  (repeatable, not secret)
    [end] = dice.choices(("refunded", "reversed"), weights=(5, 1))
    world.chapa.faults.set({"test_refunds": refunds, "refund_end": end})
    rate = world.dice.choice((0.0, 0.1, 0.3))
    world.tell(f"refunds {refunds}, in the end {end}, {rate:.0%} of all calls in trouble")
    if rate:
        world.chapa.faults.leave_to_chance(seed=world.seed, rate=rate)


def _step(world: World) -> None:
    """Take one step; where there is nothing for it to work on, another one."""
    for _ in range(_MOST_DRAWS):
        [act] = world.dice.choices(list(acts.ACTS), weights=list(acts.ACTS.values()))
        told = len(world.told)
        try:
            world.tell(act.__name__)
            act(world)
        except NothingToDo:
            del world.told[told:]
            continue
        except (Refusal, NotAllowed) as refusal:
            world.tell(f"  {type(refusal).__name__}")
        break
    world.clock.forward(timedelta(milliseconds=world.dice.randint(1, 3000)))


def _settle_down(world: World) -> list[str]:
    """
    Repair everything and let days pass, until there is nothing left to be done.

    The invariants must hold all the while; what does not is returned.
    """
    world.tell("everything is repaired")
    acts.heal(world)
    repaired_at = world.clock.now
    for age in _AFTERWARDS:
        world.clock.now = repaired_at + age
        loops.run_all(world)
        if age in _LOOKS and (wrong := verdict.find_violations_now(world)):
            return [f"{age} later, {each}" for each in wrong]
    return []


@contextmanager
def _seeded(world: World) -> Iterator[None]:
    """Draw from the seed what else would be drawn anew each time: ids, and pauses of retries."""
    random.seed(world.seed)
    with (
        patch("core.ids.uuid4", lambda: new_seeded_id(world.dice)),
        patch("django.utils.timezone.now", world.clock),
    ):
        yield


def _report(world: World, wrong: list[str]) -> str:
    steps = "\n".join(f"  {line}" for line in world.told)
    found = "\n".join(f"  {line}" for line in wrong)
    return f"seed {world.seed}:\n{steps}\nwrong:\n{found}\nagain: make simulate SEEDS={world.seed}"
