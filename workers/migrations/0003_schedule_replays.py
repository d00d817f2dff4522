"""Replays that operators have started, as a row of the schedule."""

from django.db import migrations

NAME = "Go on with replays"


def add_schedule(apps, schema_editor):
    interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    every, _ = interval.objects.get_or_create(every=5, period="seconds")
    apps.get_model("django_celery_beat", "PeriodicTask").objects.get_or_create(
        name=NAME,
        defaults={
            "task": "run_replays",
            "interval": every,
            "queue": "core",
            "kwargs": "{}",
            "expire_seconds": 5,
        },
    )


def remove_schedule(apps, schema_editor):
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [("workers", "0002_schedule_pruning")]
    operations = [migrations.RunPython(add_schedule, remove_schedule)]
