"""django-celery-outbox: `.delay()` writes a row, a relay moves it to the broker."""

from workers.bench.peers.outbox_celery import app
from workers.bench.shop.engine import Engine
from workers.bench.shop.models import Effect, Order


@app.task
def write_effect(order_id: int, customer: int) -> None:
    Effect.objects.create(order_id=order_id, customer=customer)


def send(order: Order) -> None:
    write_effect.delay(order.id, order.customer)


def drain() -> None:
    raise NotImplementedError("only its workers drain it")


ENGINE = Engine(send, drain)
