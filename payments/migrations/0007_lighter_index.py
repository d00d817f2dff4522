from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("payments", "0006_match_earlier_webhooks")]

    operations = [
        AddIndexConcurrently(
            "incomingwebhook",
            BrinIndex(autosummarize=True, fields=["received_at"], name="payments_webhook_span"),
        ),
        RemoveIndexConcurrently("incomingwebhook", "payments_webhook_age"),
    ]
