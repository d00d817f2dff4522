"""When nobody asks Chapa: while it is away, and while it refuses our key."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db.models import QuerySet

from core.errors import Unavailable
from events.base import Context, RetryAfter
from payments.chapa.wire import Opening, Outcome
from payments.chapa.wire.patience import LONGEST_PATIENCE
from payments.chapa.wire.reading import says_nothing
from payments.models import GatewayCall

# Chapa is away when it leaves this many in a row without an answer. One payment that it answers
# oddly is not that.
SILENT_IN_A_ROW = 3
# Then whoever wants something of Chapa next, a few at once perhaps, finds out.
KEY_REFUSED_FOR = AWAY_FOR = timedelta(seconds=30)


class GatewayUnavailable(Unavailable):
    """Chapa cannot be asked now."""

    code = "gateway_unavailable"


def resting_for(at: datetime) -> timedelta | None:
    """Return how long nobody should ask: our key is refused, or Chapa is away; else None."""
    return key_refused_for(at) or away_for(at)


def wait_for_chapa(context: Context) -> None:
    """:raises RetryAfter: while nobody should ask, for as long."""
    if (wait := resting_for(context.at)) is not None:
        raise RetryAfter(wait, "Chapa is away, or refuses our key")


def away_for(at: datetime) -> timedelta | None:
    """
    Return how long Chapa is taken to be away, or None unless it left the newest questions open,
    or wished at the newest not to be asked.

    Those are `SILENT_IN_A_ROW`, about as many payments: whoever asks about one again and again
    stops nobody. However many wait, no more than that and what is under way are asked meanwhile.
    """
    newest = list(_calls(at, within=LONGEST_PATIENCE)[:SILENT_IN_A_ROW])
    if newest and (wish := _rest(newest[0], at, _wish(newest[0]))):
        return wish
    silent = {call.payment_id for call in newest if _is_silent(call)}
    return _rest(newest[-1], at) if len(silent) == SILENT_IN_A_ROW else None


def key_refused_for(at: datetime) -> timedelta | None:
    """
    Return how long our key is taken to be refused, or None unless the newest verify says so.

    Read from the evidence, so all processes agree. A refused initialize does not count: it may be
    about that one payment, and everyone's money is found by asking.
    """
    newest = _calls(at).filter(kind=GatewayCall.Kind.VERIFY).first()
    if newest is None or newest.outcome != Outcome.CONFIG_ERROR:
        return None
    return _rest(newest, at)


def starting_refused_for(at: datetime) -> timedelta | None:
    """
    Return how long nobody should start a payment, or None.

    That is while our key is refused, and after two payments in a row were refused their checkout
    with no other answer since the first of them. While Chapa is away payments are started: they
    are opened when it is back.
    """
    calls = _calls(at)
    # Nearly always nothing was refused, and that is one question where the rules are three.
    if not calls.filter(outcome=Opening.CONFIG_ERROR).exists():
        return None
    if (wait := key_refused_for(at)) is not None:
        return wait
    newest = list(calls.filter(kind=GatewayCall.Kind.INITIALIZE)[:2])
    if len({call.payment_id for call in newest}) < 2:
        return None
    since = calls.filter(asked_at__gte=newest[1].asked_at)
    if since.exclude(outcome=Opening.CONFIG_ERROR).exists():
        return None
    return _rest(newest[1], at)


def _calls(at: datetime, *, within: timedelta = KEY_REFUSED_FOR) -> QuerySet[GatewayCall]:
    """
    Return what may be about everybody, the newest first.

    Another mode's payments are refused to every key of this mode, and cancelling is a right of
    its own.
    """
    return GatewayCall.objects.filter(
        asked_at__gt=at - within,
        kind__in=(GatewayCall.Kind.INITIALIZE, GatewayCall.Kind.VERIFY),
        payment__mode=settings.CHAPA_MODE,
    ).order_by("-asked_at", "-id")


def _is_silent(call: GatewayCall) -> bool:
    """An odd answer about a checkout is one all the same."""
    if call.outcome != Opening.UNKNOWN:
        return call.outcome == Outcome.TRANSIENT
    return call.http_status is None or says_nothing(call.http_status)


def _wish(call: GatewayCall) -> timedelta:
    return timedelta(seconds=call.evidence.get("retry_after_s", 0))


def _rest(call: GatewayCall, at: datetime, rest: timedelta = KEY_REFUSED_FOR) -> timedelta | None:
    left = min(call.asked_at + rest - at, rest)
    return left if left > timedelta(0) else None


@dataclass
class Breaker:
    """Keeps one sweep from asking on and on once it found that Chapa is away."""

    silent_in_a_row: int = 0
    has_answered: bool = False

    @classmethod
    def at(cls, at: datetime) -> Self:
        """Return one that is open already while nobody should ask."""
        return cls(0 if resting_for(at) is None else SILENT_IN_A_ROW)

    @property
    def is_open(self) -> bool:
        return self.silent_in_a_row >= SILENT_IN_A_ROW

    def room_for(self, most: int) -> int:
        """
        Return how many questions may be open at once, `most` at best.

        One while nobody knows whether Chapa is there, so that a sweep in which it is away costs it,
        and us, no more than it takes to find out.
        """
        if self.is_open:
            return 0
        return most if self.has_answered and not self.silent_in_a_row else 1

    def note(self, *, answered: bool) -> None:
        self.silent_in_a_row = 0 if answered else self.silent_in_a_row + 1
        self.has_answered = self.has_answered or answered
