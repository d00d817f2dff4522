"""What most projects do: a Celery task per event, sent once the change is committed."""

from functools import partial

from django.db import transaction

from workers.bench.peers.celery import app
from workers.bench.shop.engine import Engine
from workers.bench.shop.models import Effect, Order


@app.task
def write_effect(order_id: int, customer: int) -> None:
    Effect.objects.create(order_id=order_id, customer=customer)


def send(order: Order) -> None:
    transaction.on_commit(partial(write_effect.delay, order.id, order.customer))


def drain() -> None:
    raise NotImplementedError("only its workers drain it")


ENGINE = Engine(send, drain)
