from django.db import migrations

NAME = "check refunds"


def add_schedule(apps, schema_editor):
    interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    every, _ = interval.objects.get_or_create(every=60, period="seconds")
    apps.get_model("django_celery_beat", "PeriodicTask").objects.get_or_create(
        name=NAME,
        defaults={
            "task": "check_refunds",
            "interval": every,
            "queue": "chapa",
            "kwargs": "{}",
            "expire_seconds": 60,
        },
    )


def remove_schedule(apps, schema_editor):
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [("workers", "0005_schedule_invariants")]
    operations = [migrations.RunPython(add_schedule, remove_schedule)]
