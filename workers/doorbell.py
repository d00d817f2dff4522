"""
Ring Celery, and deliver in this process while the broker is away.

A bell is a message without content: a worker that hears it looks for work in PostgreSQL.
"""

import time
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError

from events.base import Group
from events.delivery import drain_group
from workers.tasks import drain

log = structlog.get_logger(__name__)

# A bell that nobody hears ends by itself, and a relay rings ever more seldom for a dead fleet: few
# can pile up.
BELL_LIFE = 30
BROKER_PAUSE = 2.0


@dataclass
class Doorbell:
    """Remembers for a moment that the broker did not answer."""

    broker_back_at: float = 0.0

    def ring(self, group: Group) -> None:
        if time.monotonic() >= self.broker_back_at:
            try:
                drain.apply_async(
                    kwargs={"group": group.value},
                    queue=group.value,
                    expires=BELL_LIFE,
                    retry=False,
                )
                return
            except (BrokerError, OSError) as error:
                log.warning("relay.broker_away", error=type(error).__name__)
                self.broker_back_at = time.monotonic() + BROKER_PAUSE
        drain_group(group, timezone.now, time_slice=timedelta(seconds=0.5))
