"""What tests of every room need."""

import hashlib
import inspect
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.test import TransactionTestCase

from core.functions import function_files

# Rows that migrations put there; tests change some of them and never delete them.
_KEPT = [
    "django_migrations",
    "django_content_type",
    "auth_permission",
    "events_lane",
    "events_lanegroup",
    "django_celery_beat_crontabschedule",
    "django_celery_beat_intervalschedule",
    "django_celery_beat_periodictask",
    "django_celery_beat_periodictasks",
]

# One round trip. As `replica`, foreign keys and append-only triggers are out of the way; a login
# that may not become it disables those triggers, which is slower.
_EMPTY = """
do $$
declare
    tables text[] := array(
        select quote_ident(c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'public' and c.relkind = 'r' and c.relname <> all (%s));
    name text;
    filled boolean;
begin
    begin
        perform set_config('session_replication_role', 'replica', true);
        foreach name in array tables loop
            execute 'select exists (select from ' || name || ')' into filled;
            if filled then
                execute 'delete from ' || name;
            end if;
        end loop;
    exception when insufficient_privilege then
        foreach name in array tables loop
            execute 'alter table ' || name || ' disable trigger user';
            execute 'delete from ' || name;
        end loop;
        set constraints all immediate;
        foreach name in array tables loop
            execute 'alter table ' || name || ' enable trigger user';
        end loop;
    end;
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


def migrated_database() -> str:
    """
    Return the name of a database to which all migrations were applied, made if it is not there.

    A test database copied from it is there in a tenth of the time. It stays on the server until a
    migration changes.
    """
    name = f"migrated_{_digest_of_migrations()}"
    unfinished = f"{name}_unfinished"
    with connection._nodb_cursor() as cursor:
        # The workers of one run come at the same time.
        cursor.execute("select pg_advisory_lock(hashtext('migrated'))")
        cursor.execute("select datname from pg_database where starts_with(datname, 'migrated_')")
        found = [row[0] for row in cursor.fetchall()]
        if name not in found:
            for old in found:
                cursor.execute(f"drop database {old}")
            cursor.execute(f"create database {unfinished}")
            _migrate(unfinished)
            cursor.execute(f"alter database {unfinished} rename to {name}")
    return name


def _digest_of_migrations() -> str:
    digest = hashlib.sha256()
    migrations = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    for _, migration in sorted(migrations.items()):
        digest.update(Path(inspect.getfile(type(migration))).read_bytes())
    for room in apps.get_app_configs():
        for file in function_files(room):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _migrate(name: str) -> None:
    own = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        call_command("migrate", verbosity=0)
    finally:
        connection.close()
        connection.settings_dict["NAME"] = own
