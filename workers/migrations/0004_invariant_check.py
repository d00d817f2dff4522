"""What the last check of each invariant found."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("workers", "0003_schedule_replays"),
    ]

    operations = [
        migrations.CreateModel(
            name="InvariantCheck",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("invariant", models.CharField(max_length=40)),
                ("scope", models.CharField(max_length=8)),
                ("violations", models.PositiveIntegerField()),
                ("checked_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("invariant", "scope"), name="workers_one_check_per_invariant"
                    )
                ],
            },
        ),
    ]
