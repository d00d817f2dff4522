"""
Beat compares Chapa's list with the ledger every night.

It does so once a day. The later hours are for a Chapa that did not answer: what is done is not done
again.
"""

from django.db import migrations

NAME = "Compare Chapa's list with the ledger"


def add_schedule(apps, schema_editor):
    crontab = apps.get_model("django_celery_beat", "CrontabSchedule")
    # From twenty to five in Ethiopia on, when few pay.
    nightly, _ = crontab.objects.get_or_create(minute="40", hour="1-4", timezone="UTC")
    apps.get_model("django_celery_beat", "PeriodicTask").objects.get_or_create(
        name=NAME,
        defaults={
            "task": "compare_statement",
            "crontab": nightly,
            "queue": "chapa",
            "kwargs": "{}",
            "expire_seconds": 3600,
        },
    )


def remove_schedule(apps, schema_editor):
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [("workers", "0006_schedule_refunds")]
    operations = [migrations.RunPython(add_schedule, remove_schedule)]
