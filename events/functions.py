"""
The statements of which a delivery has most, kept in PostgreSQL as functions: events/sql.

To parse and plan such a statement costs several times what it does (docs/benchmarks.md); in a
function that happens once per connection. `manage.py migrate` installs what the files say.
"""

from pathlib import Path

from django.db import connection, transaction

SQL = Path(__file__).with_name("sql")

# The plan is made on whatever the tables hold at that moment and kept while they grow: of all there
# are, only walking an index and probing one by one is right at any size.
_PINS = (
    "plan_cache_mode = force_generic_plan",
    "enable_seqscan = off",
    "enable_bitmapscan = off",
    "enable_sort = off",
    "enable_hashjoin = off",
    "enable_mergejoin = off",
)


def install_functions() -> None:
    """
    Replace the functions by what the files say; repeating is safe, and so is doing it under load.

    Who is in the middle of one ends it as it was. A function whose parameters change needs another
    name, and a migration that drops the old one once nobody calls it.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        for file in sorted(SQL.glob("*.sql")):
            cursor.execute(file.read_text())
            for pin in _PINS:
                cursor.execute(f"alter function events_{file.stem} set {pin}")
