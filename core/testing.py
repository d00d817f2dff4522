"""What tests of every room need."""

from typing import Any

from django.db import connection
from django.test import TransactionTestCase

# Rows that migrations put there; tests change some of them and never delete them.
_KEPT = [
    "django_migrations",
    "django_content_type",
    "auth_permission",
    "events_lane",
    "events_lanegroup",
    "django_celery_beat_intervalschedule",
    "django_celery_beat_periodictask",
    "django_celery_beat_periodictasks",
]

# One round trip. As `replica`, foreign keys and append-only triggers are out of the way; a login
# that may not become it truncates, which is slower and passes them too.
_EMPTY = """
do $$
declare
    tables text[] := array(
        select quote_ident(c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'public' and c.relkind = 'r' and c.relname <> all (%s));
    name text;
    filled boolean;
begin
    perform set_config('session_replication_role', 'replica', true);
    foreach name in array tables loop
        execute 'select exists (select from ' || name || ')' into filled;
        if filled then
            execute 'delete from ' || name;
        end if;
    end loop;
    update events_lane set owner_pid = null where owner_pid is not null;
    update events_lanegroup set sleeping = false where sleeping;
exception when insufficient_privilege then
    execute 'truncate ' || array_to_string(tables, ', ');
    update events_lane set owner_pid = null where owner_pid is not null;
    update events_lanegroup set sleeping = false where sleeping;
end $$
"""


def empty_tables() -> None:
    """
    Delete from the tables that hold something: a few ms, where Django's flush takes 130.

    Sequences go on, so no test may assert an id.
    """
    with connection.cursor() as cursor:
        cursor.execute(_EMPTY, [_KEPT])


def _teardown(self: TransactionTestCase) -> None:
    empty_tables()


def use_quick_teardown() -> None:
    """Replace the flush of transactional tests, once, from conftest."""
    teardown: Any = _teardown
    TransactionTestCase._fixture_teardown = teardown  # type: ignore[attr-defined]
