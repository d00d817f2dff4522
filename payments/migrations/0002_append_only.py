"""Evidence and ledger are added to, never changed: by trigger, whoever writes."""

from django.db import migrations

TABLES = ("payments_gatewaycall", "payments_ledgerentry")

FORWARD = """
create function payments_refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;
""" + "\n".join(
    f"create trigger {table}_append_only before update or delete on {table} "
    "for each row execute function payments_refuse_change();"
    for table in TABLES
)
BACKWARD = (
    "\n".join(f"drop trigger {table}_append_only on {table};" for table in TABLES)
    + "\ndrop function payments_refuse_change();"
)


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
