"""procrastinate: a job per event, locked by its customer: the same order as Guzo's."""

import asyncio

from procrastinate import App
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from workers.bench.shop.engine import Engine
from workers.bench.shop.models import Effect, Order

# A worker of one process, as many jobs at a time: the same in the commands of the driver.
CONCURRENCY = 10


@app.task
def write_effect(order_id: int, customer: int) -> None:
    Effect.objects.create(order_id=order_id, customer=customer)


def defer_ordered(order: Order) -> None:
    write_effect.configure(lock=f"customer:{order.customer}").defer(
        order_id=order.id, customer=order.customer
    )


def drain() -> None:
    with app.replace_connector(app.connector.get_worker_connector()) as worker:
        asyncio.run(_work(worker))
    # It goes home early when all that is left waits for a lock.
    if ProcrastinateJob.objects.filter(status="todo").exists():
        drain()


async def _work(worker: App) -> None:
    async with worker.open_async():
        await worker.run_worker_async(wait=False, concurrency=CONCURRENCY)


ENGINE = Engine(defer_ordered, drain)
