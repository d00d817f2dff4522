"""Run contestants in turn, several times over, and say what came out, spread and all."""

import math
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Self

from workers.devstack.progress import Progress


@dataclass(frozen=True)
class Spread:
    """The middle of several samples, and how far they lie apart."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, samples: Iterable[float]) -> Self:
        ordered = sorted(samples)
        return cls(median(ordered), ordered[0], ordered[-1])

    def show(self, pattern: str = "{:,.0f}") -> str:
        """Return `median (least to most)`, each written by the pattern."""
        middle, least, most = map(pattern.format, (self.median, self.least, self.most))
        return f"{middle} ({least} to {most})"


def take_turns(
    contestants: Mapping[str, Callable[[], float]],
    *,
    rounds: int,
    progress: Progress,
    unit: str = "/s",
) -> dict[str, list[float]]:
    """
    Let each run once a round, and return every one's results, round by round.

    Each round begins with the next one, so that nobody is always first on a cold cache or last on
    a full disk.
    """
    results: dict[str, list[float]] = {name: [] for name in contestants}
    for number, name in turns(list(contestants), rounds):
        began = time.monotonic()
        result = contestants[name]()
        results[name].append(result)
        took = time.monotonic() - began
        progress.say(f"  round {number}  {name:<46}{result:>10,.4g}{unit}   {took:5.1f} s")
    return results


def turns(names: Sequence[str], rounds: int) -> Iterator[tuple[int, str]]:
    """Yield (round, name): everybody once a round, a round later in another order."""
    for number in range(rounds):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            yield number + 1, name


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Return ours over theirs, each round by itself: both ran in the same minute."""
    return Spread.of(a / b for a, b in zip(ours, theirs, strict=True))


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that this share of all does not exceed."""
    return sorted(samples)[max(math.ceil(share * len(samples)), 1) - 1]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, to be read as it is or pasted into a page."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def describe_machine() -> str:
    """Say on what all of it ran, and what else the machine was busy with."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} CPUs ({model}), load {load:.1f} before the start, "
        f"Python {platform.python_version()}, {time.strftime('%-d %B %Y')}"
    )
