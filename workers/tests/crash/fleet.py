"""The Procfile's own processes on servers of their own, each of which a test may kill."""

import io
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import requests

from core.tests.threads import eventually
from workers.devstack.plan import PROJECT, STATE, Plan, plan_demo
from workers.devstack.postgres import start_postgres
from workers.devstack.process import Process, Program
from workers.devstack.procfile import read_procfile
from workers.devstack.progress import Progress
from workers.devstack.stack import program_of
from workers.devstack.supervisor import Supervisor
from workers.devstack.valkey import start_valkey

DATABASE_PASSWORD = "sesame-of-the-fleet"


@dataclass
class Fleet:
    """Guzo as it runs in production, but for the number of hosts."""

    plan: Plan
    supervisor: Supervisor
    sockets: Path
    logs: Path

    def process(self, name: str) -> Process:
        return next(each for each in self.supervisor.processes() if each.name == name)

    def kill(self, name: str) -> None:
        """kill -9 of the whole process group: nothing of it can clean up."""
        process = self.process(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.reap()

    def launch(self, name: str) -> None:
        process = self.process(name)
        process.launch()
        eventually(process.is_ready, within=40)

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(query, values or None)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Hold every row of a table, so that whoever needs one stands still."""
        connection = self.connect()
        connection.autocommit = False
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"select 1 from {table} for update")
            yield
        finally:
            connection.close()

    def connect(self) -> Any:
        connection = psycopg2.connect(host=str(self.sockets), user="guzo", dbname="guzo")
        connection.autocommit = True
        return connection

    def chapa(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Speak to the local Chapa's control API."""
        answer = requests.request(
            method, f"{self.plan.chapa_url}/control/{path}", json=body, timeout=20
        )
        assert answer.ok, answer.text
        return answer.json() if answer.content else None


@contextmanager
def running_fleet(folder: Path, **settings: str) -> Iterator[Fleet]:
    """Run servers and processes in a folder; `settings` are laid over the sample's."""
    sockets, logs = folder / "s", folder / "log"
    host = quote(str(sockets), safe="")
    plan = plan_demo(
        PROJECT,
        {
            **os.environ,
            # The server asks for no password; nothing may print the one that is there.
            "DATABASE_URL": f"postgres://guzo:{DATABASE_PASSWORD}@{host}/guzo",
            "BROKER_URL": f"redis+socket://{sockets}/valkey.sock?virtual_host=0",
        },
    )
    settings |= {"PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"), STATE: ""}
    plan = Plan(plan.project, {**plan.environment, **settings}, plan.web_url, plan.chapa_url)
    plan.metrics.mkdir()
    with Supervisor(logs, Progress(io.StringIO())) as supervisor:
        start_postgres(
            supervisor, data=folder / "postgres", sockets=sockets, environment=plan.environment
        )
        start_valkey(supervisor, sockets=sockets, environment=plan.environment)
        supervisor.run(program_of(plan, "migrate", ("python", "manage.py", "migrate")))
        commands = read_procfile(PROJECT / "Procfile")
        supervisor.start(*(_named(program_of(plan, *each)) for each in commands.items()))
        yield Fleet(plan, supervisor, sockets, logs)


def _named(program: Program) -> Program:
    """Let PostgreSQL know its connections by its name."""
    return replace(program, environment={**program.environment, "PGAPPNAME": program.name})
