"""The processes that are measured, on servers of their own and free ports."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg2

from workers.devstack.plan import PROJECT, STATE, Plan, plan_demo
from workers.devstack.postgres import start_postgres
from workers.devstack.procfile import read_procfile
from workers.devstack.progress import Progress
from workers.devstack.stack import program_of
from workers.devstack.supervisor import Supervisor


@dataclass(frozen=True)
class Servers:
    """What runs, and the way into its database."""

    plan: Plan
    sockets: Path

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(query, values or None)
            return list(cursor.fetchall()) if cursor.description else []

    def connect(self) -> Any:
        return psycopg2.connect(host=str(self.sockets), user="guzo", dbname="guzo")


@contextmanager
def running_servers(progress: Progress, *names: str) -> Iterator[Servers]:
    """
    Run PostgreSQL, migrated, and the named lines of the Procfile until the block is left.

    :raises StackFailed: naming what did not start.
    """
    with TemporaryDirectory(prefix="guzo-bench-") as made:
        folder = Path(made)
        sockets = folder / "s"
        database = f"postgres://guzo@{str(sockets).replace('/', '%2F')}/guzo"
        plan = plan_demo(PROJECT, {**os.environ, "DATABASE_URL": database, "BROKER_URL": ""})
        # What is measured is not what logging costs.
        quiet = {"LOG_LEVEL": "WARNING", "PROMETHEUS_MULTIPROC_DIR": str(folder), STATE: ""}
        plan = replace(plan, environment={**plan.environment, **quiet})
        commands = read_procfile(PROJECT / "Procfile")
        with Supervisor(folder / "log", progress) as supervisor:
            start_postgres(
                supervisor, data=folder / "postgres", sockets=sockets, environment=plan.environment
            )
            supervisor.run(program_of(plan, "migrate", ("python", "manage.py", "migrate")))
            supervisor.start(*(program_of(plan, name, commands[name]) for name in names))
            yield Servers(plan, sockets)
