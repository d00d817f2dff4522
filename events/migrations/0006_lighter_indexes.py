from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("events", "0005_index_retries")]

    operations = [
        AddIndexConcurrently(
            "delivery",
            models.Index(
                condition=models.Q(("state__in", ["ready", "retry"]))
                & models.Q(("group", "core"), _negated=True),
                fields=["group", "next_at"],
                name="events_delivery_due_outbound",
            ),
        ),
        AddIndexConcurrently(
            "event",
            BrinIndex(autosummarize=True, fields=["occurred_at"], name="events_event_by_span"),
        ),
        RemoveIndexConcurrently("delivery", "events_delivery_due"),
        RemoveIndexConcurrently("event", "events_event_by_time"),
    ]
