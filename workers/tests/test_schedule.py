"""What Beat does, and that a worker knows each of it."""

import pytest
import structlog
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import ModelEntry

from core.ids import new_id
from core.models import IdempotencyRecord
from core.retention import KEY_LIFE
from payments.tests.factories import NOW
from workers import tasks
from workers.celery import app

pytestmark = pytest.mark.django_db


def test_beat_sends_what_a_worker_knows_to_a_queue_that_one_listens_to() -> None:
    scheduled = PeriodicTask.objects.exclude(task__startswith="celery.")

    assert {each.task for each in scheduled} == {
        task.name for task in vars(tasks).values() if hasattr(task, "apply_async")
    }
    assert {each.queue for each in scheduled} == {"core", "chapa", "mail"}


@pytest.mark.parametrize(
    ("name", "longest_s"),
    [("Check the invariants of what changed lately", 600), ("Check all invariants", 24 * 3600)],
)
def test_beat_knows_when_the_invariants_are_due(name: str, longest_s: int) -> None:
    entry = ModelEntry(PeriodicTask.objects.get(name=name), app=app)

    assert 0 < entry.is_due().next <= longest_s


def test_pruning_says_how_much_it_removed() -> None:
    IdempotencyRecord.objects.create(
        principal=new_id(), key="k", fingerprint="", resource_id=new_id(), created_at=NOW - KEY_LIFE
    )

    with structlog.testing.capture_logs() as lines:
        tasks.prune()

    assert lines[-1]["event"] == "pruned"
    assert lines[-1]["idempotency_keys"] == 1
    assert lines[-1]["webhook_bodies"] == 0
    assert lines[-1]["events"] == 0
