"""What a case of trouble shows, read from where the traveller and the operators read it."""

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from pytest_django.fixtures import Settings

from bookings.models import Booking
from payments.chapa.sandbox.server import RunningSandbox
from payments.models import GatewayCall, LedgerEntry, Payment, Refund, Statement
from workers.tests.journeys.cases import Case, State, Told
from workers.tests.journeys.cast import QUIET

_NORMAL = {**QUIET, "test_refunds": "on"}
_SLOW = ("timeout", "drip")
# Other calls of the same case are answered within it, on a busy machine too.
_HASTE_S = (0.1, 0.5)


@contextmanager
def trouble(chapa: RunningSandbox, settings: Settings, case: Case) -> Iterator[None]:
    """Turn the case's switch, and have no patience with what is slow; then all is well again."""
    patience = settings.CHAPA_TIMEOUTS_S
    effect = "on" if case.effect else "off"
    chapa.faults.set({**_NORMAL, "effect": effect, **case.turned})
    if case.position in _SLOW or case.switch == "latency_s":
        settings.CHAPA_TIMEOUTS_S = _HASTE_S
    yield
    settings.CHAPA_TIMEOUTS_S = patience
    chapa.faults.clear()
    chapa.faults.set(_NORMAL)


def told_by(answer: requests.Response) -> Told:
    return Told(answer.status_code, answer.json().get("code"), answer.headers.get("Retry-After"))


def heard_by(kind: str) -> str:
    """Return how the latest call of a kind was recorded."""
    call = GatewayCall.objects.filter(kind=kind).latest("id")
    return str(call.outcome)


def state_of(booking: Booking) -> State:
    booking.refresh_from_db()
    payments = Payment.objects.order_by("created_at")
    refunds, statement = Refund.objects.order_by("requested_at"), Statement.objects.first()
    return State(
        booking=booking.status,
        payments=tuple(payment.status for payment in payments),
        ledger=tuple(
            f"{entry.kind} {entry.amount} {entry.currency}"
            for entry in LedgerEntry.objects.order_by("id")
        ),
        refunds=tuple(f"{refund.state} {refund.failure_reason}".strip() for refund in refunds),
        statement="" if statement is None else statement.state,
    )
