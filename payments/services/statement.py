"""
Compare Chapa's list of transactions with the ledger, day by day.

Each page that was read is a commit of its own, so whatever dies, the next run of the same days goes
on behind it. Nothing is compared before the list was read to its end, and nothing here moves money:
what differs is put before a person.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Min

from core.causality import current_cause
from core.days import today
from core.errors import Invalid
from payments import gateway
from payments.chapa.wire import Fetched, TransactionPage
from payments.listed import Order, There
from payments.models import Payment, Statement, StatementPage
from payments.services.differences import note_differences
from payments.services.our_side import captured_in, find_ours
from payments.statement import Here, Window, compare

log = structlog.get_logger(__name__)

# Chapa is younger.
_FIRST_DAY = date(2000, 1, 1)
# Two clocks differ, but not by more.
_CLOCKS_DIFFER = timedelta(hours=1)
# What older pages say of a payment may not be true any more.
_PAGES_LIVE = timedelta(hours=1)

Clock = Callable[[], datetime]
State = Statement.State


class DaysInvalid(Invalid):
    """These days cannot be compared."""

    code = "days_invalid"


def compare_days(
    *,
    since: date,
    until: date,
    clock: Clock,
    tell: Callable[[StatementPage], None] = lambda page: None,
) -> Statement:
    """
    Compare days in Addis Ababa, both included; `tell` hears of each page that is there.

    Safe to repeat, and several times at once: differences are updated where they are. The statement
    is still `reading` where Chapa gave no page; the same call goes on from there within the hour,
    and begins anew after it.

    :raises DaysInvalid: if the last day is before the first or has not begun, or the first is from
        before Chapa.
    """
    at = clock()
    if not _FIRST_DAY <= since <= until <= today(at):
        raise DaysInvalid("The last day is today at the latest, and not before the first.")
    statement = _begin(since, until, at)
    with structlog.contextvars.bound_contextvars(statement_id=str(statement.id)):
        if _read(statement, clock, tell):
            _compare(statement, clock())
    statement.refresh_from_db()
    return statement


def _lock_statements() -> None:
    """
    Let no other statement begin or end before this transaction does.

    Two of the same days would both begin; two of other days may hold some of the same differences.
    """
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtext('payments_statement'))")


@transaction.atomic
def _begin(since: date, until: date, at: datetime) -> Statement:
    """Return the run of these days that was left unfinished, unless it is too old, or a new one."""
    days = {"since": since, "until": until, "mode": settings.CHAPA_MODE, "state": State.READING}
    _lock_statements()
    unfinished = Statement.objects.filter(**days).first()
    if unfinished is not None and at < unfinished.started_at + _PAGES_LIVE:
        return unfinished
    if unfinished is not None:
        unfinished.state, unfinished.finished_at = State.GIVEN_UP, at
        unfinished.save(update_fields=["state", "finished_at"])
    return Statement.objects.create(
        **days,
        started_at=at,
        reads_back_to=_oldest_of(_window(since, until, at)),
        actor=current_cause().actor,
    )


def _window(since: date, until: date, asked_at: datetime) -> Window:
    return Window.of_days(since, until, asked_at=asked_at, mode=settings.CHAPA_MODE)


def _oldest_of(window: Window) -> datetime:
    """Return when the oldest transaction was made that the window is about: late money is older."""
    made_at = Payment.objects.filter(id__in=captured_in(window).values("payment_id")).aggregate(
        at=Min("created_at")
    )
    oldest: datetime | None = made_at["at"]
    return window.begins if oldest is None else min(window.begins, oldest - _CLOCKS_DIFFER)


def _read(statement: Statement, clock: Clock, tell: Callable[[StatementPage], None]) -> bool:
    """Read what is left of the list; return whether all that is needed is there."""
    order, page = Order(), None
    for page in statement.pages.order_by("number"):
        order.read(_lines(page))
    while page is None or not page.is_last:
        at = clock()
        answer, took_ms = gateway.list_transactions(1 if page is None else page.number + 1)
        lines = [There.of(each) for each in answer.transactions]
        order.read(lines)
        problem = _problem_of(answer, order)
        if problem:
            Statement.objects.filter(id=statement.id).update(
                problem=problem, http_status=answer.http_status
            )
            log.error("statement.no_page", page=answer.page, answer=problem)
            return False
        # Of two runs at the same time the first to read a page keeps it.
        page, _ = StatementPage.objects.get_or_create(
            statement=statement,
            number=answer.page,
            defaults={
                "asked_at": at,
                "took_ms": took_ms,
                "lines": [line.to_json() for line in lines],
                "is_last": not answer.has_next or order.is_past(statement.reads_back_to),
            },
        )
        tell(page)
    return True


def _problem_of(answer: TransactionPage, order: Order) -> str:
    if answer.fetched is not Fetched.ANSWERED:
        return answer.fetched.value
    # Whoever does not heed which page is asked for gives the first one for ever.
    is_repeated = answer.has_next and not answer.is_numbered and not order.has_news
    return "repeated" if is_repeated else ""


def _lines(page: StatementPage) -> list[There]:
    return [There.from_json(line) for line in page.lines]


def _compare(statement: Statement, at: datetime) -> None:
    theirs = [line for page in statement.pages.order_by("number") for line in _lines(page)]
    window = _window(statement.since, statement.until, statement.started_at)
    in_window = {
        line.reference
        for line in theirs
        if line.is_charge and (line.created_at is None or window.has(line.created_at))
    }
    ours = find_ours(window, in_window)
    found = compare(ours, theirs, window)
    looked_at = in_window | {here.reference for here in ours}
    with transaction.atomic():
        _lock_statements()
        locked = Statement.objects.get(id=statement.id)
        if locked.state != State.READING:
            return
        noted = note_differences(locked, found, looked_at, window, at)
        locked.state, locked.finished_at = State.COMPARED, at
        locked.problem, locked.http_status = "", None
        locked.counts = _counts(theirs, ours) | noted
        locked.save(update_fields=["state", "finished_at", "problem", "http_status", "counts"])
    log.info("statement.compared", **locked.counts)


def _counts(theirs: Sequence[There], ours: Sequence[Here]) -> dict[str, int]:
    counted = Counter(
        listed=len(theirs),
        paid=sum(line.is_paid for line in theirs),
        payouts=sum(not line.is_charge for line in theirs),
        without_reference=sum(line.is_paid and not line.reference for line in theirs),
        payments=len(ours),
    )
    counted["unpaid"] = counted["listed"] - counted["paid"] - counted["payouts"]
    return dict(counted)
