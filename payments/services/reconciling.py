"""The sweep: ask Chapa about every payment whose time has come, in whatever state it is."""

import math
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import structlog
from django.conf import settings
from django.db import transaction

from core.crew import Crew
from core.errors import TooMany
from core.throttling import spend
from payments import schedule
from payments.models import Payment
from payments.services.breaker import Breaker, away_for
from payments.services.leasing import Claim, claim_due, release_lease
from payments.services.settling import ask_leased, write_answer
from payments.settlement import NoAnswer, Verdict

log = structlog.get_logger(__name__)

LOG_EVERY = timedelta(seconds=10)
NO_TIME = timedelta(0)
# This share of the questions that may be open is claimed ahead, and together: a claim costs as much
# for one payment as for several, and whoever has heard an answer finds the next question waiting.
AHEAD = 0.25

Clock = Callable[[], datetime]


def count_due_payments(at: datetime) -> int:
    """Return how many payments a sweep that starts now would find."""
    return Payment.objects.filter(next_check_at__lte=at, mode=settings.CHAPA_MODE).count()


def check_due_payments(
    clock: Clock,
    *,
    limit: float = math.inf,
    time_slice: timedelta = timedelta(seconds=50),
    tell: Callable[[Counter[str]], None] = lambda verdicts: None,
) -> Counter[str]:
    """
    Settle what is due, the longest due first; return how often each verdict came.

    At most `SWEEP_CONCURRENCY` are asked about at once, and all sweeps together ask no more often
    than `SWEEP_CALLS`: this one waits for its turn. Nobody is asked about who became due since the
    start, so it ends. After `time_slice` it begins nothing more, and takes as long as Chapa does.
    `tell` hears of the verdicts so far whenever there is a new one.

    Safe to run several times at once: a payment is claimed by one of them, and once asked about it
    is no longer due. One that cannot be settled is put off and does not stop the others.
    """
    started = clock()
    most = settings.SWEEP_CONCURRENCY
    with Crew(_settle, most=most, name="sweep") as crew:
        sweep = _Sweep(crew, Breaker.at(started), clock, started, started + time_slice, limit)
        while True:
            at = clock()
            pause = sweep.ask_more(at)
            if crew.busy:
                sweep.hear(pause, at)
                tell(sweep.verdicts)
            elif pause is None or sweep.is_over:
                break
            else:
                time.sleep(pause.total_seconds())
    if sweep.verdicts:
        log.info("payments.checked", **sweep.verdicts)
    return sweep.verdicts


@dataclass
class _Sweep:
    """One run: what may still be asked, and what was heard."""

    crew: Crew["_Question", "Verdict | _Unsettled"]
    breaker: Breaker
    clock: Clock
    started: datetime
    ends: datetime
    limit: float
    asked: int = 0
    is_over: bool = False
    verdicts: Counter[str] = field(default_factory=Counter)
    told_at: datetime | None = None
    refused_at: datetime | None = None

    def ask_more(self, at: datetime) -> timedelta | None:
        """
        Ask about as many as may be asked about now.

        Return how long to wait for the next turn, or None if nothing more is asked before an
        answer came, or at all.
        """
        self._log_progress(at)
        room = self._room()
        if room <= 0 or at > self.ends or self.is_over:
            return None
        # The turn first: a claim that waited for it would use up its lease.
        turns, wait = _take_turns(room, at)
        if not turns:
            # A clock that is held still would never bring the next turn.
            self.is_over = at == self.refused_at or at + wait > self.ends
            self.refused_at = at
            return wait
        claims = claim_due(at, due_by=self.started, most=turns)
        for claim in claims:
            waits = self.crew.busy >= settings.SWEEP_CONCURRENCY
            self.crew.give(_Question(claim, self.clock if waits else lambda: at))
        self.asked += len(claims)
        self.is_over = len(claims) < turns
        return NO_TIME if turns < room and not self.is_over else None

    def _room(self) -> int:
        """Return how many may be claimed now: none, until there is room for several."""
        most = settings.SWEEP_CONCURRENCY
        ahead = int(most * AHEAD)
        room = self.breaker.room_for(most)
        if room == most:
            room += ahead
            if self.crew.busy and room - self.crew.busy < ahead:
                return 0
        return int(min(room - self.crew.busy, self.limit - self.asked))

    def hear(self, pause: timedelta | None, at: datetime) -> None:
        """Wait for an answer, or until the next turn."""
        for answer in self.crew.hear(timeout_s=None if pause is None else pause.total_seconds()):
            self._note(answer, at)

    def _note(self, answer: "Future[Verdict | _Unsettled]", at: datetime) -> None:
        verdict = answer.result()
        if isinstance(verdict, _Unsettled):
            self.verdicts[verdict] += 1
            return
        self.verdicts[type(verdict).__name__] += 1
        self.breaker.note(answered=not isinstance(verdict, NoAnswer))
        if isinstance(verdict, NoAnswer):
            # Chapa may have said how long it wishes to be left alone.
            self.is_over = verdict.misconfigured or away_for(at) is not None

    def _log_progress(self, at: datetime) -> None:
        if self.told_at is None:
            self.told_at = at
        elif at >= self.told_at + LOG_EVERY:
            self.told_at = at
            log.info("payments.checking", asked=self.asked, asking=self.crew.busy)


def _take_turns(wanted: int, at: datetime) -> tuple[int, timedelta]:
    """Take as many turns as there are, up to so many; return them, and how long until the next."""
    wait = NO_TIME
    for times in sorted({1, min(wanted, settings.SWEEP_CALLS.times)}, reverse=True):
        try:
            spend("SWEEP_CALLS", who="all sweeps", at=at, times=times)
        except TooMany as refused:
            wait = refused.retry_after or NO_TIME
        else:
            return times, NO_TIME
    return 0, wait


class _Unsettled(StrEnum):
    """Why a claimed payment was not settled."""

    FAILED = "failed"
    # It is still due, and claimed anew.
    TOO_LATE = "too_late"


@dataclass(frozen=True)
class _Question:
    """A claimed payment, and the clock that tells when it is asked about if it has to wait."""

    claim: Claim
    clock: Clock


def _settle(question: _Question) -> Verdict | _Unsettled:
    """Ask about a claimed payment and write the answer, if its lease outlives the question."""
    claim, at = question.claim, question.clock()
    if at + timedelta(seconds=sum(settings.CHAPA_TIMEOUTS_S)) > claim.leased_until:
        # Those before it were answered slowly.
        release_lease(claim.payment.id, claim.leased_until)
        return _Unsettled.TOO_LATE
    try:
        answer = ask_leased(claim.payment, claim.leased_until, at)
        with transaction.atomic():
            return write_answer(answer, at=at)
    except Exception:
        log.exception("payment.not_settled", payment_id=str(claim.payment.id))
        _put_off(claim)
        return _Unsettled.FAILED


def _put_off(claim: Claim) -> None:
    """Let others have their turn before one that cannot be settled."""
    asked = {"made_at": claim.payment.created_at, "asked_at": claim.at}
    Payment.objects.filter(id=claim.payment.id, asking_until=claim.leased_until).update(
        asking_until=None, next_check_at=schedule.after_silence(**asked)
    )
