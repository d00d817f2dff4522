"""
Beat checks the invariants: every ten minutes what changed lately, every night everything.

On the mail queue: four threads, of which letters need one or two, and none that money waits for.
The night has an hour, not an interval: one of a day would begin anew at each start of Beat.
"""

import json

from django.db import migrations

LATELY, EVER = "Check the invariants of what changed lately", "Check all invariants"
SECONDS = 600


def add_schedule(apps, schema_editor):
    interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    crontab = apps.get_model("django_celery_beat", "CrontabSchedule")
    periodic = apps.get_model("django_celery_beat", "PeriodicTask")
    often, _ = interval.objects.get_or_create(every=SECONDS, period="seconds")
    # Ten past three in Ethiopia.
    nightly, _ = crontab.objects.get_or_create(minute="10", hour="0", timezone="UTC")
    for name, when, scope, seconds in (
        (LATELY, {"interval": often}, "lately", SECONDS),
        (EVER, {"crontab": nightly}, "ever", 3600),
    ):
        periodic.objects.get_or_create(
            name=name,
            defaults={
                **when,
                "task": "check_invariants",
                "queue": "mail",
                "kwargs": json.dumps({"scope": scope}),
                "expire_seconds": seconds,
            },
        )


def remove_schedule(apps, schema_editor):
    periodic = apps.get_model("django_celery_beat", "PeriodicTask")
    periodic.objects.filter(name__in=(LATELY, EVER)).delete()


class Migration(migrations.Migration):
    dependencies = [("workers", "0004_invariant_check")]
    operations = [migrations.RunPython(add_schedule, remove_schedule)]
