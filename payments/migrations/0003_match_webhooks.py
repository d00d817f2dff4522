"""Tell webhooks that name a payment of ours from those that name none."""

from django.db import migrations, models

# Those that came before are looked for no more: their deliveries are done.
MATCH = """
update payments_incomingwebhook w
set matching = case when exists (select from payments_payment p where p.tx_ref = w.tx_ref)
                    then 'matched' else 'parked' end
where w.tx_ref <> ''
"""


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
        migrations.RunSQL(MATCH, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="incomingwebhook",
            index=models.Index(
                condition=models.Q(("matching__in", ["unmatched", "parked"])),
                fields=["matching", "received_at"],
                name="payments_webhook_astray",
            ),
        ),
    ]
