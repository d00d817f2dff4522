from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

BATCH = 1000


def in_batches(
    rows: QuerySet[Any], act: Callable[[QuerySet[Any]], object], *, size: int = BATCH
) -> int:
    """
    Do something with many rows, a batch and a commit at a time; return with how many.

    `act` is given each batch and must leave none of it among `rows`. What somebody else has locked
    is left for the next time, so that several may run at once and nobody waits long for a lock.
    """
    done = 0
    while True:
        with transaction.atomic():
            locked = rows.select_for_update(skip_locked=True).values_list("pk", flat=True)
            batch = list(locked[:size])
            if batch:
                act(rows.model._base_manager.filter(pk__in=batch))
        done += len(batch)
        if len(batch) < size:
            return done


def remove(batch: QuerySet[Any]) -> None:
    batch.delete()
