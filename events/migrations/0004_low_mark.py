import datetime

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("events", "0003_replay_plan")]

    # With defaults in the database: the version before inserts groups without them.
    operations = [
        migrations.AddField("lanegroup", "low_id", models.BigIntegerField(db_default=0)),
        migrations.AddField("lanegroup", "newest_id", models.BigIntegerField(db_default=0)),
        migrations.AddField("lanegroup", "newest_xid", models.BigIntegerField(db_default=0)),
        migrations.AddField(
            "lanegroup",
            "swept_at",
            models.DateTimeField(db_default=datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)),
        ),
    ]
