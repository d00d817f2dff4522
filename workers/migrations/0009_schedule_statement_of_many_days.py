"""
Beat compares sixty days of Chapa's list with the ledger once a week.

It is asked for every night, so that a week in which Chapa gave no list on one night is not left
out: what is done is not done again. Half an hour apart, a list that was left unfinished is gone on
with.
"""

from django.db import migrations

NAME = "Compare Chapa's list with the ledger, sixty days back"


def add_schedule(apps, schema_editor):
    crontab = apps.get_model("django_celery_beat", "CrontabSchedule")
    # From five in Ethiopia on, beside the latest days.
    nightly, _ = crontab.objects.get_or_create(minute="0,30", hour="2-3", timezone="UTC")
    apps.get_model("django_celery_beat", "PeriodicTask").objects.get_or_create(
        name=NAME,
        defaults={
            # Workers of the version before know this task, and compare the latest days instead.
            "task": "compare_statement",
            "crontab": nightly,
            "queue": "chapa",
            "kwargs": '{"many_days": true}',
            "expire_seconds": 1800,
        },
    )


def remove_schedule(apps, schema_editor):
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [("workers", "0008_operator_mail")]
    operations = [migrations.RunPython(add_schedule, remove_schedule)]
