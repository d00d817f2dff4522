"""What retention has not been at yet, indexed while webhooks come in."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("payments", "0003_match_webhooks")]
    operations = [
        AddIndexConcurrently(
            model_name="incomingwebhook",
            index=models.Index(
                condition=models.Q(
                    ("body__isnull", False),
                    models.Q(("verdict", "signed"), _negated=True),
                    _connector="OR",
                ),
                fields=["received_at"],
                name="payments_webhook_to_prune",
            ),
        ),
    ]
