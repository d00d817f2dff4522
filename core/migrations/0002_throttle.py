from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Throttle",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("full_at", models.DateTimeField()),
            ],
        ),
        # No WAL for counters: a crash may forget them.
        migrations.RunSQL("alter table core_throttle set unlogged", migrations.RunSQL.noop),
    ]
