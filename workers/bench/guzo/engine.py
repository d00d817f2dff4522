"""Guzo's engine: one event, one ordered transactional handler."""

from dataclasses import dataclass
from typing import ClassVar

from django.db import connection
from django.utils import timezone

from events.base import Context, DomainEvent, Group, PermanentFailure, Route, Routes
from events.delivery import drain_all
from events.outbox import record
from workers.bench.shop.engine import Engine
from workers.bench.shop.models import Effect, Order


@dataclass(frozen=True, kw_only=True)
class OrderPlaced(DomainEvent):
    """An order stands."""

    type: ClassVar[str] = "order.placed"
    order_id: int
    customer: int

    @property
    def subject(self) -> str:
        return f"customer:{self.customer}"


# From this customer on, none is served.
POISONED = 1_000_000


def write_effect(event: OrderPlaced, context: Context) -> None:
    if event.customer >= POISONED:
        raise PermanentFailure("this customer's orders are poison")
    Effect.objects.create(order_id=event.order_id, customer=event.customer)


def record_placed(order: Order) -> None:
    record(OrderPlaced(order_id=order.id, customer=order.customer), at=timezone.now())


def record_placed_unheard(order: Order) -> None:
    """Leave out what the commit would do to wake the relay."""
    record_placed(order)
    connection.run_on_commit.clear()


def drain() -> None:
    drain_all(timezone.now, [Group.CORE])


ROUTES: Routes = {OrderPlaced: (Route(write_effect, Group.CORE, ordered=True),)}
ENGINE = Engine(record_placed, drain)
UNHEARD = Engine(record_placed_unheard, drain)
