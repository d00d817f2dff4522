import json
import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from workers.bench.shop.engine import Engine, load_engine
from workers.bench.shop.orders import CUSTOMERS, place_at_pace, place_in_parallel, place_order

WARM_UP = 200


class Command(BaseCommand):
    help = "Have the engine of BENCH_ENGINE do one thing; answer how many seconds it took, as JSON."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        produce = verbs.add_parser("produce")
        produce.add_argument("count", type=int)
        produce.add_argument("--connections", type=int, default=4)
        produce.add_argument("--processes", type=int, default=2)
        pace = verbs.add_parser("pace")
        pace.add_argument("count", type=int)
        pace.add_argument("--per-second", type=float, default=20.0)
        drain = verbs.add_parser("drain")
        drain.add_argument("--cold", action="store_true", help="neither warm up nor wait")

    def handle(self, *_: Any, verb: str, **options: Any) -> None:
        engine = load_engine()
        match verb:
            case "produce":
                seconds = place_in_parallel(
                    engine.emit,
                    options["count"],
                    connections=options["connections"],
                    processes=options["processes"],
                )
            case "pace":
                seconds = place_at_pace(
                    engine.emit, options["count"], per_second=options["per_second"]
                )
            case _:
                if not options["cold"]:
                    self._warm_up(engine)
                seconds = _drain(engine)
        self.stdout.write(json.dumps({"seconds": seconds}))

    def _warm_up(self, engine: Engine) -> None:
        """Handle some, say so, and wait for the line that says that the backlog is there."""
        for number in range(WARM_UP):
            place_order(engine.emit, number % CUSTOMERS)
        engine.drain()
        self.stdout.write("warm")
        self.stdout.flush()
        sys.stdin.readline()


def _drain(engine: Engine) -> float:
    began = time.perf_counter()
    engine.drain()
    return time.perf_counter() - began
