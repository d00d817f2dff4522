"""django-domain-events: a delivery row per receiver, claimed in batches, settled one by one."""

from dataclasses import dataclass

from django_domain_events import DeliveryMode, event, fire, receiver
from django_domain_events.delivery.run_relay import run_relay

from workers.bench.shop.engine import Engine
from workers.bench.shop.models import Effect, Order


@event
@dataclass(frozen=True, slots=True)
class OrderPlaced:
    order_id: int
    customer: int


@receiver(OrderPlaced, mode=DeliveryMode.DURABLE)
def write_effect(placed: OrderPlaced) -> None:
    Effect.objects.create(order_id=placed.order_id, customer=placed.customer)


def fire_placed(order: Order) -> None:
    fire(OrderPlaced(order_id=order.id, customer=order.customer))


def drain() -> None:
    idle = False

    def stop_waiting(_: float) -> bool:
        nonlocal idle
        idle = True
        return False

    run_relay(worker_id="bench", wait=stop_waiting, stop=lambda: idle)


ENGINE = Engine(fire_placed, drain)
