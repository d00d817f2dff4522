"""Who takes part, and how each of them is run."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from workers.bench.venv import make_venv
from workers.devstack.plan import PROJECT
from workers.devstack.procfile import read_procfile

Command = tuple[str, ...]
_PSYCOPG2 = {"BENCH_DRIVER": "psycopg2"}
_PROCFILE = read_procfile(PROJECT / "Procfile")


@dataclass(frozen=True)
class Contestant:
    """`daemons` are its own processes that deliver; `channel` is what such a process listens on."""

    name: str
    database: str
    python: str
    environment: Mapping[str, str]
    daemons: tuple[Command, ...] = ()
    channel: str | None = None


def guzo(name: str, *daemons: Command, variant: str = "ENGINE") -> Contestant:
    return Contestant(
        name=name,
        database="guzo_engine",
        python=sys.executable,
        environment={
            "DJANGO_SETTINGS_MODULE": "workers.bench.guzo.settings",
            "BENCH_VARIANT": variant,
            "BENCH_ENGINE": "workers.bench.guzo.engine",
        },
        daemons=daemons,
    )


def guzo_relay() -> Contestant:
    return guzo("Guzo", _PROCFILE["relay"])


def guzo_unheard() -> Contestant:
    """A commit tells nobody; the relay finds by looking."""
    return guzo("Guzo, nobody woken", _PROCFILE["relay"], variant="UNHEARD")


def guzo_through_celery() -> Contestant:
    return guzo("Guzo through Celery", _PROCFILE["relay"], _PROCFILE["worker-core"])


def guzo_without_celery() -> Contestant:
    return guzo("Guzo without Celery", ("python", "manage.py", "deliver_events", "--follow"))


def celery_tasks(*, reuse: bool) -> Contestant:
    """Return the Celery that Guzo has too, with the same driver, and the same worker's options."""
    return Contestant(
        name=f"a Celery task per event{', CELERY_DB_REUSE_MAX' if reuse else ''}",
        database="celery_tasks",
        python=sys.executable,
        environment=_environment("celery_tasks", **({"BENCH_REUSE": "1"} if reuse else {})),
        daemons=(_celery_worker(sys.executable, "workers.bench.peers.celery"),),
    )


def celery_outbox() -> Contestant:
    relay = (_python(), "-m", "django", "celery_outbox_relay", "--idle-time", "0.1")
    return Contestant(
        name="django-celery-outbox",
        database="celery_outbox",
        python=_python(),
        environment=_environment("celery_outbox", BENCH_REUSE="1", **_PSYCOPG2),
        daemons=(relay, _celery_worker(_python(), "workers.bench.peers.outbox_celery")),
    )


def domain_events() -> Contestant:
    """Return it as it is, with psycopg 3: it listens with no other."""
    return Contestant(
        name="django-domain-events",
        database="domain_events",
        python=_python(),
        environment=_environment("domain_events"),
        daemons=((_python(), "-m", "django", "deliver_events"),),
        channel="django_domain_events",
    )


def domain_events_with_a_backlog() -> Contestant:
    """Return it with psycopg 2, with which it delivers faster what waits already."""
    plain = domain_events()
    return replace(plain, environment={**plain.environment, **_PSYCOPG2, "BENCH_WAKE": "poll"})


def domain_events_in_a_trickle() -> Contestant:
    """Return it as it notifies at every commit, not once in half a second: that is its latency."""
    plain = domain_events()
    return replace(
        plain,
        name=f"{plain.name}, no coalescing",
        environment={**plain.environment, "BENCH_COALESCE_SECONDS": "0"},
    )


def procrastinate(*, ordered: bool = True) -> Contestant:
    key = "procrastinate" if ordered else "procrastinate_unordered"
    worker = (_python(), "-m", "django", "procrastinate", "worker", "--concurrency", "10")
    return Contestant(
        name=f"procrastinate, {'ordered' if ordered else 'unordered'}",
        database=key,
        python=_python(),
        environment=_environment(key),
        daemons=(worker,),
        channel="procrastinate_any_queue_v1",
    )


def listener() -> Contestant:
    """Return what promises nothing, with the driver that Guzo has: nobody is quicker."""
    return Contestant(
        name="LISTEN and one insert",
        database="listener",
        python=sys.executable,
        environment=_environment("listener"),
        daemons=((sys.executable, "-m", "workers.bench.peers.listen"),),
        channel="orders",
    )


def jaiminho() -> Contestant:
    return Contestant(
        name="django-jaiminho, keep-order",
        database="jaiminho",
        python=_python(),
        environment=_environment("jaiminho", **_PSYCOPG2),
    )


def _environment(peer: str, **more: str) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "workers.bench.peers.settings",
        "BENCH_ENGINE": f"workers.bench.peers.engines.{peer}",
        **more,
    }


def _celery_worker(python: str, app: str) -> Command:
    """Return the Procfile's worker with another application, whose queue is Celery's default."""
    words = list(_PROCFILE["worker-core"])
    words[words.index("workers")] = app
    words[words.index("core")] = "celery"
    words[words.index("INFO")] = "WARNING"
    return (python, "-m", *words)


@cache
def _python() -> str:
    return str(make_venv(Path(__file__).with_name("peers") / "requirements.txt"))
