"""What every engine under comparison is to the shop."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from workers.bench.shop.orders import Emit


@dataclass(frozen=True)
class Engine:
    """`emit` records inside the open transaction; `drain` returns once nothing is owed."""

    emit: Emit
    drain: Callable[[], None]


def load_engine() -> Engine:
    """Import what BENCH_ENGINE names; its handler is known from then on."""
    engine: Engine = import_module(os.environ["BENCH_ENGINE"]).ENGINE
    return engine
