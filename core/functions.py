"""
Statements that every event or request needs, kept in PostgreSQL as functions: `sql/` of each room.

To parse and plan such a statement costs several times what it does (docs/events.md, what one event
costs); in a function that happens once per connection. `manage.py migrate` installs what the files
say: `take_lane.sql` in `events` makes `events_take_lane`.
"""

from pathlib import Path

from django.apps import AppConfig
from django.db import connection, transaction

# The plan is made on whatever the tables hold at that moment, or seem to, and kept while they
# grow: only walking an index and probing one by one is right at any size. What is probed is said by
# `lateral`, or the planner may turn a join around and read all of the larger side (20 s for one
# claim out of 120,000).
_PINS = (
    "plan_cache_mode = force_generic_plan",
    "enable_seqscan = off",
    "enable_bitmapscan = off",
    "enable_sort = off",
    "enable_hashjoin = off",
    "enable_mergejoin = off",
    # Before PostgreSQL 18 what is off and done all the same costs 10,000,000,000 on paper, and what
    # costs so much is compiled first: half a second for each call.
    "jit = off",
)


def install_functions(room: AppConfig) -> None:
    """
    Replace a room's functions by what its files say. Repeating is safe, also under load.

    Who is in the middle of one ends it as it was. A function whose parameters change needs another
    name, and a migration that drops the old one once nobody calls it.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        for file in function_files(room):
            cursor.execute(file.read_text())
            for pin in _PINS:
                cursor.execute(f"alter function {room.label}_{file.stem} set {pin}")


def function_files(room: AppConfig) -> list[Path]:
    return sorted(Path(room.path, "sql").glob("*.sql"))
