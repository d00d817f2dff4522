"""When nobody asks Chapa: while it is away, and while it refuses our key."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from django.conf import settings

from core.errors import Unavailable
from payments.chapa.wire import Outcome
from payments.models import GatewayCall

# Chapa is away when it leaves this many in a row without an answer; the next sweep tries again.
# One payment that it answers oddly is not that.
SILENT_IN_A_ROW = 3
# Then the next who wants something of Chapa finds out whether the key has been put right.
KEY_REFUSED_FOR = timedelta(seconds=30)


class GatewayUnavailable(Unavailable):
    """Chapa cannot be asked now."""

    code = "gateway_unavailable"


def key_refused_for(at: datetime) -> timedelta | None:
    """
    Return how long nobody should ask Chapa, or None unless its newest answer refused our key.

    Read from the evidence, so all processes agree. Of another mode's payments it says nothing:
    those are refused to every key of this mode. Nor do cancellations, a right of their own.
    """
    newest = (
        GatewayCall.objects.filter(
            asked_at__gt=at - KEY_REFUSED_FOR,
            kind__in=(GatewayCall.Kind.INITIALIZE, GatewayCall.Kind.VERIFY),
            payment__mode=settings.CHAPA_MODE,
        )
        .order_by("-asked_at", "-id")
        .values_list("outcome", "asked_at")
        .first()
    )
    if newest is None or newest[0] != Outcome.CONFIG_ERROR:
        return None
    return min(newest[1] + KEY_REFUSED_FOR - at, KEY_REFUSED_FOR)


@dataclass
class Breaker:
    """Keeps one sweep from asking Chapa on and on while it is away."""

    silent_in_a_row: int = 0

    @classmethod
    def at(cls, at: datetime) -> Self:
        """Return one that is open already if Chapa refuses our key."""
        return cls(0 if key_refused_for(at) is None else SILENT_IN_A_ROW)

    @property
    def is_open(self) -> bool:
        return self.silent_in_a_row >= SILENT_IN_A_ROW

    def note(self, *, answered: bool) -> None:
        self.silent_in_a_row = 0 if answered else self.silent_in_a_row + 1
