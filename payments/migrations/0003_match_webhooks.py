"""Tell webhooks that name a payment of ours from those that name none."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0002_append_only")]
    operations = [
        migrations.AddField(
            model_name="incomingwebhook",
            name="matching",
            field=models.CharField(
                blank=True,
                choices=[
                    ("matched", "names a payment of ours"),
                    ("unmatched", "names no payment yet; looked for again"),
                    ("parked", "names no payment of ours: a person looks"),
                ],
                db_default="",
                default="",
                max_length=9,
            ),
        ),
        migrations.AlterField(
            model_name="incomingwebhook",
            name="verdict",
            field=models.CharField(
                choices=[
                    ("signed", "signed"),
                    ("unsigned", "no signature over the body"),
                    ("forged", "signature does not match"),
                    ("constant_only", "only the constant, which anyone can replay"),
                ],
                max_length=16,
            ),
        ),
    ]
