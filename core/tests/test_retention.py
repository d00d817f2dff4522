from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone
from knox.models import AuthToken

from core.batches import in_batches, remove
from core.ids import new_id
from core.models import IdempotencyRecord, Throttle
from core.retention import KEY_LIFE, prune
from core.tests.factories import UserFactory
from core.tests.threads import at_once

AT = timezone.now()
DAY = timedelta(days=1)


def _keys(*ages: timedelta) -> None:
    IdempotencyRecord.objects.bulk_create(
        IdempotencyRecord(
            principal=new_id(),
            key=f"{age.days}",
            fingerprint="",
            resource_id=new_id(),
            created_at=AT - age,
        )
        for age in ages
    )


@pytest.mark.django_db
def test_what_has_ended_goes_and_the_rest_stays() -> None:
    user = UserFactory.create()
    _keys(KEY_LIFE - DAY, KEY_LIFE + DAY)
    for left in (DAY, -DAY):
        AuthToken.objects.create(user, expiry=left)
        Session.objects.create(session_key=str(left), expire_date=AT + left)
        Throttle.objects.create(key=str(left), full_at=AT + left)
    AuthToken.objects.create(user, expiry=None)

    pruned = prune(at=AT)

    assert pruned == {"idempotency_keys": 1, "logins": 1, "sessions": 1, "throttles": 1}
    assert IdempotencyRecord.objects.get().key == "29"
    assert AuthToken.objects.filter(expiry__gt=AT).count() == 1
    assert AuthToken.objects.filter(expiry=None).count() == 1
    assert Session.objects.get().session_key == str(DAY)
    assert Throttle.objects.get().key == str(DAY)
    assert not any(prune(at=AT).values())


@pytest.mark.django_db
def test_each_batch_is_bounded() -> None:
    _keys(*(KEY_LIFE + DAY * n for n in range(1, 6)))
    sizes: list[int] = []

    done = in_batches(
        IdempotencyRecord.objects.all(),
        lambda batch: sizes.append(batch.delete()[0]),
        size=2,
    )

    assert (done, sizes) == (5, [2, 2, 1])


@pytest.mark.django_db(transaction=True)
def test_what_is_locked_is_left_for_the_next_time() -> None:
    _keys(KEY_LIFE + DAY, KEY_LIFE + 2 * DAY)

    def prune_elsewhere(_: int) -> int:
        return prune(at=AT)["idempotency_keys"]

    with transaction.atomic():
        IdempotencyRecord.objects.select_for_update().get(key="31")
        assert at_once(1, prune_elsewhere) == [1]

    assert sum(at_once(2, prune_elsewhere)) == 1


@pytest.mark.django_db(transaction=True)
def test_two_at_once_remove_each_row_once() -> None:
    _keys(*(KEY_LIFE + DAY * n for n in range(1, 41)))

    done = at_once(2, lambda _: in_batches(IdempotencyRecord.objects.all(), remove, size=5))

    assert sum(done) == 40
    assert not IdempotencyRecord.objects.exists()
