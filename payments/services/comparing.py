"""Which days are compared by themselves: the latest every day, far more of them once a week."""

from datetime import date, timedelta

from django.conf import settings
from django.db.models import Min, QuerySet

from core.days import today
from payments.models import Statement
from payments.services.statement import Clock, compare_days

DAYS_BACK = timedelta(days=3)
# Whoever disputes a payment does it weeks later.
MOST_DAYS_BACK = timedelta(days=60)
WEEK = timedelta(days=7)


def compare_latest_days(clock: Clock) -> Statement | None:
    """
    Compare today in Addis Ababa and the three days before, once a day.

    It begins earlier where days before those were never compared, at most `MOST_DAYS_BACK`.
    Safe to repeat: None if it was done today, and a run that Chapa left unfinished is finished.
    """
    until = today(clock())
    since = min(until - DAYS_BACK, _compared_up_to(until))
    return _compare_once(since, until, clock, done_after=until - timedelta(days=1))


def compare_many_days(clock: Clock) -> Statement | None:
    """Compare `MOST_DAYS_BACK` days and today, as `compare_latest_days` does but once a week."""
    until = today(clock())
    return _compare_once(until - MOST_DAYS_BACK, until, clock, done_after=until - WEEK)


def _compare_once(since: date, until: date, clock: Clock, *, done_after: date) -> Statement | None:
    if _compared().filter(since__lte=since, until__gt=done_after).exists():
        return None
    return compare_days(since=since, until=until, clock=clock)


def _compared_up_to(until: date) -> date:
    """Return the day until which nothing was left out since the first statement there ever was."""
    first: date | None = _compared().aggregate(day=Min("since"))["day"]
    if first is None:
        return until
    reached = max(first, until - MOST_DAYS_BACK)
    later = _compared().filter(until__gt=reached).order_by("since")
    for begins, ends in later.values_list("since", "until"):
        # Of its last day a statement compares only what was not under way any more.
        if begins > reached:
            break
        reached = max(reached, ends)
    return reached


def _compared() -> QuerySet[Statement]:
    return Statement.objects.filter(mode=settings.CHAPA_MODE, state=Statement.State.COMPARED)
