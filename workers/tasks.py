"""One task per kind of running, not per business action: adding behaviour adds no task."""

from datetime import timedelta
from typing import Any

import structlog
from django.utils import timezone

from bookings.services.ending import expire_due_holds
from core import retention
from events.base import Group
from events.delivery import drain_group
from events.replay import advance_replay, running_replays
from events.retention import prune_events
from payments.services.comparing import compare_latest_days, compare_many_days
from payments.services.reconciling import check_due_payments
from payments.services.refunding import check_due_refunds
from payments.services.retention import prune_statements, prune_webhooks
from workers.celery import app
from workers.invariants import checking
from workers.invariants.base import Scope

log = structlog.get_logger(__name__)

# Shorter than Beat's interval: of several replays each gets on.
REPLAY_SLICE = timedelta(seconds=4)
# Shorter than Beat's interval too: unless Chapa is slow, one sweep is over when the next begins.
SWEEP_SLICE = timedelta(seconds=9)


@app.task(name="drain")
def drain(*, group: str, **_: Any) -> None:
    """Deliver what is due in one group. The message is only a bell: there may be work."""
    drain_group(Group(group), timezone.now)


@app.task(name="run_replays")
def run_replays(**_: Any) -> None:
    """Go on with the replays that operators have started."""
    for replay_id in running_replays():
        advance_replay(replay_id, timezone.now, time_slice=REPLAY_SLICE)


@app.task(name="check_payments")
def check_payments(**_: Any) -> None:
    """Ask Chapa about every payment whose time has come."""
    check_due_payments(timezone.now, time_slice=SWEEP_SLICE)


@app.task(name="check_refunds")
def check_refunds(**_: Any) -> None:
    """Ask Chapa how far every refund is whose time has come."""
    check_due_refunds(timezone.now)


@app.task(name="compare_statement")
def compare_statement(*, many_days: bool = False, **_: Any) -> None:
    """Compare Chapa's list with the ledger, once a day or week: docs/reconciliation.md."""
    compare = compare_many_days if many_days else compare_latest_days
    compare(timezone.now)


@app.task(name="expire_holds")
def expire_holds(**_: Any) -> None:
    """End the holds whose time is over."""
    expire_due_holds(timezone.now)


@app.task(name="prune")
def prune(**_: Any) -> None:
    """Remove what is not kept any longer: docs/personal-data.md."""
    at = timezone.now()
    log.info(
        "pruned",
        **retention.prune(at=at),
        **prune_webhooks(at=at),
        **prune_statements(at=at),
        **prune_events(at=at),
    )


@app.task(name="check_invariants")
def check_invariants(*, scope: str, **_: Any) -> None:
    """Look for what can never be: docs/invariants.md. What is found stands in log and metrics."""
    checking.check_invariants(at=timezone.now(), scope=Scope(scope))
