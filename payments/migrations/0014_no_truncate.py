"""Evidence and ledger cannot be emptied at a stroke either: no row's trigger sees a truncate."""

from django.db import migrations

TABLES = ("payments_gatewaycall", "payments_ledgerentry")

FORWARD = "\n".join(
    f"create trigger {table}_kept before truncate on {table} "
    "for each statement execute function payments_refuse_change();"
    for table in TABLES
)
BACKWARD = "\n".join(f"drop trigger {table}_kept on {table};" for table in TABLES)


class Migration(migrations.Migration):
    dependencies = [("payments", "0013_refund_of_a_call")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
