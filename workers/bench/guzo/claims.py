"""Take every lane that has work, claim from it, and roll back: milliseconds a claim, as JSON."""

import json
import time
from statistics import median

import django
from django.db import transaction
from django.db.models import Func
from django.utils import timezone

django.setup()

from events.base import Group  # noqa: E402 - once Django is set up
from events.lanes import Lane as Taken  # noqa: E402
from events.lanes import claim_debts, take_lane  # noqa: E402
from events.models import Delivery, Lane  # noqa: E402

ROUNDS = 5


def main() -> None:
    lanes = [
        Taken(lane.id, lane.group, lane.number, abandoned=False)
        for lane in Lane.objects.filter(
            group=Group.CORE, number__in=Delivery.objects.values("lane").distinct()
        )
    ]
    took = [_claim(lane) for _ in range(ROUNDS) for lane in lanes]
    print(json.dumps({"seconds": median(took)}))


def _claim(lane: Taken) -> float:
    with transaction.atomic():
        Lane.objects.filter(id=lane.id).update(owner_pid=Func(function="pg_backend_pid"))
        began = time.perf_counter()
        take_lane(Group.CORE, timezone.now())
        claim_debts(lane, timezone.now())
        seconds = time.perf_counter() - began
        transaction.set_rollback(True)
    return seconds


if __name__ == "__main__":
    main()
