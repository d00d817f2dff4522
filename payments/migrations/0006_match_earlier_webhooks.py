"""
Tell which webhooks of before name a payment of ours, a batch and a commit at a time.

They are looked for no more: their deliveries are done. May be run again after it was broken off.
"""

from django.db import migrations
from django.db.models import Case, Exists, OuterRef, Value, When

from core.batches import in_batches


def match(apps, schema_editor):
    payments = apps.get_model("payments", "Payment").objects.filter(tx_ref=OuterRef("tx_ref"))
    matching = Case(When(Exists(payments), then=Value("matched")), default=Value("parked"))
    earlier = apps.get_model("payments", "IncomingWebhook").objects.filter(matching="")
    in_batches(earlier.exclude(tx_ref=""), lambda batch: batch.update(matching=matching))


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("payments", "0005_index_webhooks_astray")]
    operations = [migrations.RunPython(match, migrations.RunPython.noop)]
