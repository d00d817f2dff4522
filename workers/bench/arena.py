"""One PostgreSQL, one broker, and engines that take turns on them, each on its own database."""

import io
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import psycopg2
import redis

from workers.bench.contestants import Contestant
from workers.devstack.plan import PROJECT, plan_demo
from workers.devstack.postgres import start_postgres
from workers.devstack.process import Program
from workers.devstack.progress import Progress
from workers.devstack.supervisor import Supervisor
from workers.devstack.valkey import start_valkey

# So long without a new effect, and what is still owed is lost.
_STALLED_S = 20.0

_VERDICT = """
select (select count(*) from shop_order) - count(distinct order_id),
       count(*) - count(distinct order_id),
       (select count(*) from (
           select order_id < lag(order_id) over (partition by customer order by id) from shop_effect
       ) as pair (is_inverted) where is_inverted)
from shop_effect
"""


@dataclass
class Verdict:
    """What became of orders, over all runs of one contestant."""

    lost: int = 0
    doubled: int = 0
    inverted: int = 0

    def __str__(self) -> str:
        return f"{self.lost} lost, {self.doubled} doubled, {self.inverted} out of order"


@dataclass(frozen=True)
class Arena:
    sockets: Path
    environment: Mapping[str, str]
    logs: Path
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def sql(self, database: str, query: str) -> list[tuple[Any, ...]]:
        with closing(self.connect(database)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(query)
            return list(cursor.fetchall()) if cursor.description else []

    def connect(self, database: str) -> Any:
        return psycopg2.connect(host=str(self.sockets), port=5432, user="guzo", dbname=database)

    def environment_of(self, contestant: Contestant) -> dict[str, str]:
        database = f"postgres://guzo@{quote(str(self.sockets), safe='')}:5432/{contestant.database}"
        return {
            **self.environment,
            "DATABASE_URL": database,
            "BENCH_SOCKETS": str(self.sockets),
            "BENCH_DATABASE": contestant.database,
            **contestant.environment,
        }

    def begin(self, contestant: Contestant) -> None:
        """Give it a database in which nothing happened yet, made once, and an empty broker."""
        made = f"{contestant.database}_made"
        if not self.sql("postgres", f"select 1 from pg_database where datname = '{made}'"):  # noqa: S608
            self.sql("postgres", f"create database {contestant.database}")
            self.call(contestant, "migrate", "--verbosity", "0")
            self.sql("postgres", f"alter database {contestant.database} rename to {made}")
        self.copy(made, contestant.database)
        with redis.Redis(unix_socket_path=str(self.sockets / "valkey.sock")) as broker:
            broker.flushall()

    def copy(self, database: str, name: str) -> None:
        self.sql("postgres", f"drop database if exists {name} with (force)")
        self.sql("postgres", f"create database {name} template {database}")

    def settle(self, contestant: Contestant) -> int:
        """Do what autovacuum and the checkpointer would do at some time; return what is owed."""
        self.sql(contestant.database, "vacuum analyze")
        self.sql(contestant.database, "checkpoint")
        return self.orders(contestant) - self.effects(contestant)

    def orders(self, contestant: Contestant) -> int:
        return int(self.sql(contestant.database, "select count(*) from shop_order")[0][0])

    def effects(self, contestant: Contestant) -> int:
        return int(self.sql(contestant.database, "select count(*) from shop_effect")[0][0])

    def judge(self, contestant: Contestant) -> None:
        """Compare effects with orders. Only order among the orders of one customer counts."""
        ((lost, doubled, inverted),) = self.sql(contestant.database, _VERDICT)
        verdict = self.verdicts.setdefault(contestant.name, Verdict())
        verdict.lost += lost
        verdict.doubled += doubled
        verdict.inverted += inverted

    def produce(
        self, contestant: Contestant, count: int, connections: int, processes: int
    ) -> float:
        """Return how many seconds so many orders took."""
        return self.call(
            contestant,
            *("engine", "produce", str(count)),
            *("--connections", str(connections), "--processes", str(processes)),
        )

    def call(self, contestant: Contestant, *words: str) -> float:
        """Run a management command to its end; return the seconds it speaks of, if it does."""
        return self._run(contestant, "django", *words)

    def script(self, contestant: Contestant, name: str, *words: str) -> float:
        """Run a script of workers/bench/guzo to its end; return the seconds it speaks of."""
        return self._run(contestant, f"workers.bench.guzo.{name}", *words)

    def _run(self, contestant: Contestant, module: str, *words: str) -> float:
        with self.process(contestant, module, *words) as process:
            output, _ = process.communicate()
        if process.returncode != 0:
            raise SystemExit(f"{contestant.name}: {module} {' '.join(words)} failed")
        return read_seconds(output) if output else 0.0

    @contextmanager
    def process(
        self, contestant: Contestant, module: str, *words: str
    ) -> Iterator["subprocess.Popen[str]"]:
        """Run a module; if the block fails, end it with all of its children."""
        with subprocess.Popen(  # noqa: S603 - our own commands
            (contestant.python, "-m", module, *words),
            cwd=PROJECT,
            env=self.environment_of(contestant),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise

    @contextmanager
    def running(self, contestant: Contestant) -> Iterator[Supervisor]:
        """Run a contestant's own processes; yield the supervisor that holds them."""
        with Supervisor(self.logs, Progress(io.StringIO())) as supervisor:
            supervisor.start(
                *(
                    Program(
                        name=f"{contestant.database}-{number}",
                        argv=argv,
                        environment=self.environment_of(contestant),
                        folder=PROJECT,
                    )
                    for number, argv in enumerate(contestant.daemons)
                )
            )
            yield supervisor

    def await_effects(self, contestant: Contestant) -> None:
        """Wait until every order had its effect, or nothing happens any more."""
        orders, seen, seen_at = self.orders(contestant), -1, time.monotonic()
        while (effects := self.effects(contestant)) < orders:
            if effects > seen:
                seen, seen_at = effects, time.monotonic()
            elif time.monotonic() > seen_at + _STALLED_S:
                return
            time.sleep(0.2)


def read_seconds(output: str) -> float:
    return float(json.loads(output.splitlines()[-1])["seconds"])


def signal_groups(supervisor: Supervisor, number: signal.Signals) -> None:
    """Signal each process with all of its children; a stopped one keeps its connections."""
    for process in supervisor.processes():
        os.killpg(process.pid, number)


@contextmanager
def open_arena(progress: Progress) -> Iterator[Arena]:
    """Run the servers until the block is left. PostgreSQL writes through, and dates commits."""
    with TemporaryDirectory(prefix="guzo-bench-") as made:
        folder = Path(made)
        sockets, logs = folder / "s", folder / "log"
        broker = f"redis+socket://{quote(str(sockets / 'valkey.sock'))}?virtual_host=0"
        plan = plan_demo(PROJECT, {**os.environ, "DATABASE_URL": "", "BROKER_URL": broker})
        quiet = {"LOG_LEVEL": "ERROR", "PYTHONWARNINGS": "ignore"}
        environment = {**plan.environment, **quiet, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
        start = {"data": folder / "postgres", "sockets": sockets, "environment": environment}
        with Supervisor(logs, Progress(io.StringIO())) as first:
            start_postgres(first, **start)  # type: ignore[arg-type]  # (one dictionary of three)
            with closing(
                psycopg2.connect(host=str(sockets), port=5432, user="guzo", dbname="postgres")
            ) as connection:
                connection.autocommit = True
                connection.cursor().execute("alter system set track_commit_timestamp = on")
        with Supervisor(logs, progress) as supervisor:
            start_postgres(supervisor, **start)  # type: ignore[arg-type]
            start_valkey(supervisor, sockets=sockets, environment=environment)
            yield Arena(sockets, environment, logs)
