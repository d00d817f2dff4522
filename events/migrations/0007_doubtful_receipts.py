from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("events", "0006_lighter_indexes")]

    operations = [
        migrations.AlterField(
            "receipt",
            "how",
            models.CharField(
                choices=[
                    ("done", "done"),
                    ("doubtful", "done; an earlier call may have happened too"),
                    ("skipped", "skipped by a person"),
                ],
                default="done",
                max_length=8,
            ),
        ),
    ]
