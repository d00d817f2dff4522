"""
The least that there is: hear the commit, write the effect. It keeps nothing, so it loses what it
does not hear, repeats nothing that failed, and promises no order.

What takes longer is the price of a promise; what must be quicker cannot be had with Django.
"""

import json

from django.db import connection

from workers.bench.shop.engine import Engine
from workers.bench.shop.models import Order

CHANNEL = "orders"


def notify(order: Order) -> None:
    told = json.dumps({"order_id": order.id, "customer": order.customer})
    with connection.cursor() as cursor:
        cursor.execute("select pg_notify(%s, %s)", [CHANNEL, told])


def drain() -> None:
    raise NotImplementedError("it hears what is said while it listens, and nothing else")


ENGINE = Engine(notify, drain)
