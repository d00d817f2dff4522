"""Place many orders at once: `python -m workers.bench.guzo.bulk 20000 --customers 500`."""

from argparse import ArgumentParser

import django
from django.db import transaction
from django.utils import timezone

django.setup()

from events.outbox import MOST_AT_ONCE, record_all  # noqa: E402 - once Django is set up
from workers.bench.guzo.engine import POISONED, OrderPlaced  # noqa: E402
from workers.bench.shop.models import Order  # noqa: E402


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--customers", type=int, default=500)
    parser.add_argument("--poison", action="store_true", help="of customers nobody can serve")
    options = parser.parse_args()
    first = POISONED if options.poison else 0
    for start in range(0, options.count, MOST_AT_ONCE):
        numbers = range(start, min(start + MOST_AT_ONCE, options.count))
        customers = [first + number % options.customers for number in numbers]
        with transaction.atomic():
            orders = Order.objects.bulk_create([Order(customer=each) for each in customers])
            record_all(
                [OrderPlaced(order_id=order.id, customer=order.customer) for order in orders],
                at=timezone.now(),
            )


if __name__ == "__main__":
    main()
