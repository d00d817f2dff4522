"""procrastinate without a lock: faster, and in no order."""

from workers.bench.peers.engines.procrastinate import drain, write_effect
from workers.bench.shop.engine import Engine
from workers.bench.shop.models import Order


def defer(order: Order) -> None:
    write_effect.defer(order_id=order.id, customer=order.customer)


ENGINE = Engine(defer, drain)
