"""django-jaiminho, keep-order: the only one of its strategies that loses nothing in a crash."""

from jaiminho.relayer import EventRelayer
from jaiminho.send import save_to_outbox

from workers.bench.shop.engine import Engine
from workers.bench.shop.models import Effect, Order


@save_to_outbox
def write_effect(order_id: int, customer: int) -> None:
    Effect.objects.create(order_id=order_id, customer=customer)


def publish(order: Order) -> None:
    write_effect(order.id, order.customer)


def drain() -> None:
    EventRelayer().relay()


ENGINE = Engine(publish, drain)
