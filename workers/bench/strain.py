"""
Guzo under strain beside Guzo at ease: `python -m workers.bench.strain [--figure waking]`.

Each figure runs the same work twice on the same PostgreSQL, in turn, and prints the ratio.
"""

from workers.bench.arena import Arena
from workers.bench.figures.history import measure_history
from workers.bench.figures.partitions import measure_partitions
from workers.bench.figures.poison import measure_claims
from workers.bench.figures.snapshot import measure_snapshot
from workers.bench.figures.waking import measure_waking
from workers.bench.program import run_figures
from workers.bench.rounds import Spread, ratios, table
from workers.devstack.progress import Progress

# What is measured, in what, and what the ratio of the strained one must reach and is meant to.
FIGURES = {
    "waking": (measure_waking, "/s", "at least 0.7", "at least 0.9"),
    "snapshot": (measure_snapshot, "/s", "at least 0.8", "1"),
    "poison": (measure_claims, " ms", "at most 3", "at most 1.5"),
    "history": (measure_history, "/s", "at least 0.9", "1"),
    "partitions": (measure_partitions, "/s", "", ""),
}
# The one that the others are held against: without the wake-up is what waking is held against.
_AT_EASE = {"waking": -1}


def _report(arena: Arena, figure: str, rounds: int, events: int, progress: Progress) -> str:
    measure, unit, must, aim = FIGURES[figure]
    seen = measure(arena, rounds=rounds, events=events, progress=progress)
    at_ease = list(seen)[_AT_EASE.get(figure, 0)]
    pattern = "{:,.0f}" if unit == "/s" else "{:.2f}"
    rows = [
        (
            name,
            f"{Spread.of(samples).show(pattern)}{unit}",
            *(
                ("", "", "")
                if name == at_ease
                else (f"**{ratios(samples, seen[at_ease]).show('{:.2f}')}**", must, aim)
            ),
            str(arena.verdicts.get(name, "")),
        )
        for name, samples in seen.items()
    ]
    return table(("", figure, f"over {at_ease}", "must", "aim", "orders"), rows)


if __name__ == "__main__":
    raise SystemExit(run_figures(__doc__, FIGURES, _report))
