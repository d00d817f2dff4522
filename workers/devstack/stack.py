"""The whole of Guzo on one machine: servers, migrations, sample data, the Procfile's processes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import requests

from core.embedded import runtime_folder
from workers.devstack.lock import hold_lock
from workers.devstack.plan import Plan
from workers.devstack.postgres import start_postgres
from workers.devstack.process import Program
from workers.devstack.procfile import read_procfile
from workers.devstack.progress import Progress
from workers.devstack.supervisor import Supervisor
from workers.devstack.valkey import start_valkey

# What each process writes once it does its work. Celery's own words are "<name> ready."; a name
# with a dot in it looks like an e-mail address and is masked in our logs.
_READY_LINES = {"relay": b"relay ready", "worker": b" ready.", "beat": b"beat: Starting"}


@contextmanager
def running_stack(plan: Plan, holder: str, progress: Progress) -> Iterator[Supervisor]:
    """
    Run everything until the block is left, however it is left.

    Within it all processes are ready, the database is migrated and the sample data is there.

    :raises Held: if a stack of this clone already runs.
    :raises StackFailed: naming what did not start.
    """
    with hold_lock(plan.local, holder), Supervisor(plan.logs, progress) as supervisor:
        _start_servers(plan, supervisor)
        plan.metrics.mkdir(exist_ok=True)
        for command in ("migrate", "seed_demo"):
            supervisor.run(program_of(plan, command, ("python", "manage.py", command)))
        commands = read_procfile(plan.project / "Procfile")
        if plan.chapa_url is None:
            commands.pop("chapa", None)
        supervisor.start(*(program_of(plan, *each) for each in commands.items()))
        yield supervisor


def _start_servers(plan: Plan, supervisor: Supervisor) -> None:
    """Start PostgreSQL and Valkey, each unless the plan names another server for it."""
    sockets = runtime_folder(plan.project)
    if plan.embeds_postgres:
        start_postgres(
            supervisor,
            data=plan.local / "postgres",
            sockets=sockets,
            environment=plan.environment,
        )
    if plan.embeds_valkey:
        start_valkey(supervisor, sockets=sockets, environment=plan.environment)


def program_of(plan: Plan, name: str, argv: tuple[str, ...]) -> Program:
    return Program(
        name=name,
        argv=argv,
        environment=plan.environment,
        folder=plan.project,
        is_ready=_readiness(plan, name),
    )


def _readiness(plan: Plan, name: str) -> Callable[[bytes], bool]:
    if name == "web":
        # By its public name: it answers to no other.
        host = urlsplit(plan.environment["PUBLIC_URL"]).netloc
        return lambda _: _is_healthy(plan.web_url, host)
    if name == "chapa":
        return lambda _: _is_healthy(str(plan.chapa_url), urlsplit(str(plan.chapa_url)).netloc)
    line = _READY_LINES.get(name.partition("-")[0], b"")
    return lambda output: line in output


def _is_healthy(url: str, host: str) -> bool:
    with requests.Session() as session:
        # No proxy of the environment stands before a process of this machine.
        session.trust_env = False
        try:
            answer = session.get(
                f"{url}/healthz", headers={"Host": host}, timeout=2, allow_redirects=False
            )
        except requests.RequestException:
            return False
        return answer.ok
