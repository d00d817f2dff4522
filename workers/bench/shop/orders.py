"""Place orders: one business row and one event a commit, the same for every engine."""

import multiprocessing
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier

from django.db import connection, transaction

from workers.bench.shop.models import Acknowledgement, Order

# Whoever keeps order keeps it among the orders of one customer.
CUSTOMERS = 500
# Commits of each connection before the clock starts.
WARM_UP = 3
_PATIENCE_S = 120.0

Emit = Callable[[Order], None]


def place_order(emit: Emit, customer: int, once_placed: Callable[[], None] | None = None) -> Order:
    """Call `once_placed` when the commit was acknowledged, before what the engine does then."""
    with transaction.atomic():
        if once_placed:
            transaction.on_commit(once_placed)
        order = Order.objects.create(customer=customer)
        emit(order)
    return order


def place_in_parallel(emit: Emit, count: int, *, connections: int, processes: int) -> float:
    """
    Place so many orders and a few to warm up; return how long the former took.

    All orders of a customer come over one connection: their ids tell in which order they came.
    """
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(connections + 1)
    shares = [
        [number % CUSTOMERS for number in range(count) if number % CUSTOMERS % connections == share]
        for share in range(connections)
    ]
    children = [
        fork.Process(target=_place_shares, args=(emit, shares[first::processes], barrier))
        for first in range(processes)
    ]
    for child in children:
        child.start()
    barrier.wait(_PATIENCE_S)
    began = time.perf_counter()
    barrier.wait(_PATIENCE_S)
    seconds = time.perf_counter() - began
    for child in children:
        child.join()
    if any(child.exitcode for child in children):
        raise SystemExit("not every order was placed")
    return seconds


def _place_shares(emit: Emit, shares: Sequence[Sequence[int]], barrier: Barrier) -> None:
    def place_share(share: Sequence[int]) -> None:
        try:
            for customer in share[:WARM_UP]:
                place_order(emit, customer)
            barrier.wait(_PATIENCE_S)
            for customer in share:
                place_order(emit, customer)
            barrier.wait(_PATIENCE_S)
        except BaseException:
            barrier.abort()
            raise
        finally:
            connection.close()

    with ThreadPoolExecutor(len(shares)) as pool:
        list(pool.map(place_share, shares))


def place_at_pace(emit: Emit, count: int, *, per_second: float) -> float:
    """Place orders one by one, at moments that nobody arranged: the same ones every time."""
    moments = random.Random(20)  # noqa: S311
    acknowledged: list[datetime] = []
    orders: list[Order] = []

    def once_placed() -> None:
        acknowledged.append(datetime.now(UTC))

    began = due = time.monotonic()
    for number in range(count):
        due += moments.expovariate(per_second)
        time.sleep(max(0.0, due - time.monotonic()))
        orders.append(place_order(emit, number % CUSTOMERS, once_placed))
    took = time.monotonic() - began
    Acknowledgement.objects.bulk_create(
        Acknowledgement(order=order, at=at) for order, at in zip(orders, acknowledged, strict=True)
    )
    return took
