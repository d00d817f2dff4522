"""
Guzo's events beside other engines: `python -m workers.bench.engines [--figure drain]`.

All do the same work on the same PostgreSQL, in turn: one order and one event a commit, one effect
written through the ORM by the handler. Prints each round, then a table with ratios and spread.
"""

from collections.abc import Iterable

from workers.bench.arena import Arena
from workers.bench.figures.celery import measure_celery
from workers.bench.figures.commits import measure_commits
from workers.bench.figures.drain import measure_drain
from workers.bench.figures.latency import Latency, measure_latency
from workers.bench.figures.limit import COMMIT, COMMIT_AGAIN, DRAIN, DRAIN_AGAIN, measure_limit
from workers.bench.program import run_figures
from workers.bench.rounds import Spread, ratios, table
from workers.devstack.progress import Progress

FIGURES = ("drain", "celery", "latency", "commits", "pgbench")

# What the ratio must reach, and what it is meant to reach.
_TARGETS = {
    ("drain", "django-domain-events"): ("3", "5"),
    ("drain", "procrastinate, ordered"): ("1.5", "2.5"),
    ("celery", "a Celery task per event"): ("10", "20"),
    ("celery", "a Celery task per event, CELERY_DB_REUSE_MAX"): ("3", "6"),
    ("commits", "procrastinate, ordered"): ("1", "1.5"),
    ("commits", "django-domain-events"): ("1", "1.5"),
    ("commits", "django-celery-outbox"): ("1", "1.5"),
    ("commits", "django-jaiminho, keep-order"): ("1", "1.5"),
    ("latency", "Guzo through Celery", "p50"): ("at most 2", "at most 1"),
    ("latency", "Guzo through Celery", "p99"): ("at most 0.5", "at most 0.2"),
    ("latency", "Guzo without Celery", "p50"): ("at most 1", "at most 0.6"),
    ("latency", "Guzo without Celery", "p99"): ("at most 0.25", "at most 0.1"),
}
_NONE = ("", "")


def _report(arena: Arena, figure: str, rounds: int, events: int, progress: Progress) -> str:
    match figure:
        case "latency":
            return _report_latency(arena, measure_latency(arena, rounds=rounds, progress=progress))
        case "pgbench":
            return _report_limit(
                measure_limit(arena, rounds=rounds, events=events, progress=progress)
            )
        case _:
            measure = {
                "drain": measure_drain,
                "celery": measure_celery,
                "commits": measure_commits,
            }[figure]
            return _report_rates(
                arena, figure, measure(arena, rounds=rounds, events=events, progress=progress)
            )


def _report_rates(arena: Arena, figure: str, rates: dict[str, list[float]]) -> str:
    ours, *_ = rates
    rows = [
        (
            name,
            f"{Spread.of(seen).show()}/s",
            "" if name == ours else f"**{ratios(rates[ours], seen).show('{:.2f}')}**",
            *_TARGETS.get((figure, name), _NONE),
            str(arena.verdicts.get(name, "nobody delivered")),
        )
        for name, seen in rates.items()
    ]
    return table(("engine", figure, "Guzo over it", "must", "aim", "orders"), rows)


def _report_limit(rates: dict[str, list[float]]) -> str:
    rows = [
        (
            ours,
            f"{Spread.of(rates[ours]).show()}/s",
            f"{Spread.of(rates[limit]).show()}/s",
            f"**{ratios(rates[ours], rates[limit]).show('{:.2f}')}**",
        )
        for ours, limit in ((DRAIN, DRAIN_AGAIN), (COMMIT, COMMIT_AGAIN))
    ]
    return table(("", "Guzo", "pgbench", "ratio (aim: 0.5)"), rows)


def _report_latency(arena: Arena, seen: dict[str, list[Latency]]) -> str:
    rows = [
        (
            name,
            f"{Spread.of(each.p50 for each in all_).show('{:.1f}')} ms",
            f"{Spread.of(each.p99 for each in all_).show('{:.1f}')} ms",
            f"{Spread.of(each.p99_flushed for each in all_).show('{:.1f}')} ms",
            str(arena.verdicts[name]),
        )
        for name, all_ in seen.items()
    ]
    against = [
        (
            f"{name}, {which}",
            f"**{ratio.show('{:.2f}')}**",
            *_TARGETS.get(("latency", name, which), _NONE),
        )
        for name in ("Guzo through Celery", "Guzo without Celery")
        for which, ratio in _against(seen[name], seen["procrastinate, ordered"])
    ]
    return "\n\n".join(
        (
            table(("engine", "p50", "p99", "p99 with the order's flush", "orders"), rows),
            table(("over procrastinate, ordered", "ratio", "must", "aim"), against),
        )
    )


def _against(ours: list[Latency], theirs: list[Latency]) -> Iterable[tuple[str, Spread]]:
    yield "p50", ratios([each.p50 for each in ours], [each.p50 for each in theirs])
    yield "p99", ratios([each.p99 for each in ours], [each.p99 for each in theirs])
    flushed = [[each.p99_flushed for each in all_] for all_ in (ours, theirs)]
    yield "p99 with the order's flush", ratios(*flushed)


if __name__ == "__main__":
    raise SystemExit(run_figures(__doc__, FIGURES, _report))
