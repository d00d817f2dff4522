import core.ids
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("events", "0002_lanes"),
    ]

    # A replay of before was run as it was made, and counted otherwise: there is nothing to keep.
    operations = [
        migrations.DeleteModel("Replay"),
        migrations.CreateModel(
            name="Replay",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("selection", models.JSONField()),
                (
                    "mode",
                    models.CharField(
                        choices=[
                            ("redeliver", "deliver what has no receipt"),
                            ("rerun", "deliver once more what was delivered"),
                            ("skip", "give up what is stuck"),
                        ],
                        max_length=12,
                    ),
                ),
                ("force", models.BooleanField(default=False)),
                ("reason", models.TextField(blank=True)),
                ("actor", models.CharField(max_length=80)),
                ("executed_by", models.CharField(blank=True, default="", max_length=80)),
                ("created_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("planned", "planned: nothing has run"),
                            ("running", "running"),
                            ("paused", "paused"),
                            ("cancelled", "cancelled"),
                            ("done", "done"),
                        ],
                        default="planned",
                        max_length=12,
                    ),
                ),
                ("rate", models.PositiveSmallIntegerField(default=50)),
                ("total", models.PositiveIntegerField(default=0)),
                ("summary", models.JSONField()),
                ("started_at", models.DateTimeField(null=True)),
                ("next_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="ReplayItem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("event_id", models.BigIntegerField()),
                ("handler", models.CharField(max_length=80)),
                ("found", models.CharField(max_length=12)),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("added", "owed from now on"),
                            ("revived", "owed again"),
                            ("hurried", "tried now instead of later"),
                            ("skipped", "given up"),
                            ("under_way", "left alone: it was on its way"),
                            ("delivered_meanwhile", "left alone: it was delivered meanwhile"),
                            ("gone", "left alone: its event or its route is gone"),
                        ],
                        default="",
                        max_length=20,
                    ),
                ),
                (
                    "replay",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="events.replay",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("outcome", "")),
                        fields=["replay", "event_id", "handler"],
                        name="events_replay_items_left",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("replay", "event_id", "handler"), name="events_replay_item_once"
                    )
                ],
            },
        ),
    ]
