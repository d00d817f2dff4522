"""
Beat also removes what is not kept any longer.

On the mail queue: four threads, of which letters need one or two, and none that money waits for.
"""

from django.db import migrations

NAME = "Prune"
SECONDS = 3600


def add_schedule(apps, schema_editor):
    interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    every, _ = interval.objects.get_or_create(every=SECONDS, period="seconds")
    apps.get_model("django_celery_beat", "PeriodicTask").objects.get_or_create(
        name=NAME,
        defaults={"task": "prune", "interval": every, "queue": "mail", "expire_seconds": SECONDS},
    )


def remove_schedule(apps, schema_editor):
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [("workers", "0001_schedule")]
    operations = [migrations.RunPython(add_schedule, remove_schedule)]
