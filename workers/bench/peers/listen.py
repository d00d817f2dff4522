"""Write an effect for every notification, each in a commit of its own, until stopped."""

import json
import select

import django

django.setup()

from django.db import connection  # noqa: E402 - Django is set up first

from workers.bench.peers.engines.listener import CHANNEL  # noqa: E402
from workers.bench.shop.models import Effect  # noqa: E402


def main() -> None:
    connection.ensure_connection()
    raw = connection.connection
    with connection.cursor() as cursor:
        cursor.execute(f"listen {CHANNEL}")
    while True:
        while raw.notifies:
            Effect.objects.create(**json.loads(raw.notifies.pop(0).payload))
        select.select([raw], [], [])
        raw.poll()


if __name__ == "__main__":
    main()
