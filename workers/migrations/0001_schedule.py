"""
What Beat does, as rows: operators may change them, and no start writes over their changes.

A message that found no worker for as long as its interval is stale: the next one does the same.
"""

import json

from django.db import migrations

# name → task, seconds between, queue, arguments
SCHEDULE = {
    "Ask Chapa about due payments": ("check_payments", 10, "chapa", {}),
    "End due holds": ("expire_holds", 30, "chapa", {}),
    # The floor beneath the relay, should it be down.
    "Drain core": ("drain", 10, "core", {"group": "core"}),
    "Drain chapa": ("drain", 10, "chapa", {"group": "chapa"}),
    "Drain mail": ("drain", 10, "mail", {"group": "mail"}),
}


def add_schedule(apps, schema_editor):
    interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    periodic = apps.get_model("django_celery_beat", "PeriodicTask")
    for name, (task, seconds, queue, arguments) in SCHEDULE.items():
        every, _ = interval.objects.get_or_create(every=seconds, period="seconds")
        periodic.objects.get_or_create(
            name=name,
            defaults={
                "task": task,
                "interval": every,
                "queue": queue,
                "kwargs": json.dumps(arguments),
                "expire_seconds": seconds,
            },
        )


def remove_schedule(apps, schema_editor):
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name__in=SCHEDULE).delete()


class Migration(migrations.Migration):
    dependencies = [("django_celery_beat", "0019_alter_periodictasks_options")]
    operations = [migrations.RunPython(add_schedule, remove_schedule)]
