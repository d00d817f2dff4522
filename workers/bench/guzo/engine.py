"""Guzo's engine: one event, one ordered transactional handler."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from django.utils import timezone

from events.base import Context, DomainEvent, Group, Route, Routes
from events.delivery import drain_group
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


def write_effect(event: OrderPlaced, context: Context) -> None:
    Effect.objects.create(order_id=event.order_id, customer=event.customer)


def record_placed(order: Order) -> None:
    record(OrderPlaced(order_id=order.id, customer=order.customer), at=timezone.now())


def drain() -> None:
    drain_group(Group.CORE, timezone.now, time_slice=timedelta(days=1))


ROUTES: Routes = {OrderPlaced: (Route(write_effect, Group.CORE, ordered=True),)}
ENGINE = Engine(record_placed, drain)
