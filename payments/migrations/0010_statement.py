"""Statements: what was read of Chapa's list, and how it differs from the ledger."""

import core.ids
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0009_room_for_leases"),
    ]

    operations = [
        migrations.CreateModel(
            name="Statement",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("since", models.DateField()),
                ("until", models.DateField()),
                (
                    "mode",
                    models.CharField(choices=[("test", "test"), ("live", "live")], max_length=4),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("reading", "reading Chapa's list"),
                            ("compared", "compared"),
                            ("given_up", "given up"),
                        ],
                        default="reading",
                        max_length=8,
                    ),
                ),
                ("started_at", models.DateTimeField()),
                ("reads_back_to", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                ("problem", models.CharField(blank=True, default="", max_length=20)),
                ("http_status", models.PositiveSmallIntegerField(null=True)),
                ("counts", models.JSONField(default=dict)),
                ("actor", models.CharField(max_length=80)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "reading")),
                        fields=("since", "until", "mode"),
                        name="payments_one_statement_reading",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="StatementDifference",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=core.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("reference", models.CharField(max_length=64)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("missing_here", "missing_here"),
                            ("missing_there", "missing_there"),
                            ("amount", "amount"),
                            ("currency", "currency"),
                            ("status", "status"),
                            ("mode", "mode"),
                            ("duplicate", "duplicate"),
                            ("late", "late"),
                        ],
                        max_length=16,
                    ),
                ),
                ("here", models.CharField(blank=True, default="", max_length=80)),
                ("there", models.TextField(blank=True, default="")),
                ("happened_at", models.DateTimeField(null=True)),
                ("first_seen_at", models.DateTimeField()),
                ("last_seen_at", models.DateTimeField()),
                ("gone_at", models.DateTimeField(null=True)),
                ("resolved_at", models.DateTimeField(null=True)),
                ("resolutions", models.JSONField(default=list)),
                (
                    "payment",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="payments.payment",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(
                            ("gone_at__isnull", True), ("resolved_at__isnull", True)
                        ),
                        fields=["-first_seen_at", "-id"],
                        name="payments_differences_open",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("reference", "kind"), name="payments_one_difference_per_reference"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="StatementPage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("asked_at", models.DateTimeField()),
                ("took_ms", models.PositiveIntegerField()),
                ("lines", models.JSONField()),
                ("is_last", models.BooleanField()),
                (
                    "statement",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="pages",
                        to="payments.statement",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("statement", "number"), name="payments_one_statement_page"
                    )
                ],
            },
        ),
    ]
