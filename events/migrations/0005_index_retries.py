from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("events", "0004_low_mark")]

    operations = [
        AddIndexConcurrently(
            "delivery",
            models.Index(
                condition=models.Q(("state", "retry")),
                fields=["group", "lane", "event"],
                name="events_delivery_retries",
            ),
        ),
    ]
