"""Webhooks that name no payment, indexed while others come in."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("payments", "0004_index_webhooks_to_prune")]
    operations = [
        AddIndexConcurrently(
            model_name="incomingwebhook",
            index=models.Index(
                condition=models.Q(("matching__in", ["unmatched", "parked"])),
                fields=["matching", "received_at"],
                name="payments_webhook_astray",
            ),
        ),
    ]
