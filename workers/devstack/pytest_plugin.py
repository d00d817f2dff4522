"""
pytest with real servers: a PostgreSQL and a Valkey that belong to this one run.

Loaded by `-p`, so that they listen before Django reads its settings. Runs at the same time, or
beside `make up`, do not meet: each takes the first folder `.local/tests-N` that nobody holds.
"""

import io
import os
from collections.abc import Generator
from contextlib import ExitStack

import pytest

from core.embedded import broker_url, database_url, runtime_folder
from workers.devstack.lock import Held, hold_lock
from workers.devstack.plan import LOCAL, PROJECT, keep_sample_settings, without_libpq
from workers.devstack.postgres import start_postgres
from workers.devstack.progress import Progress
from workers.devstack.supervisor import StackFailed, Supervisor
from workers.devstack.valkey import start_valkey


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """
    Tests read `.env.sample`; DATABASE_URL and BROKER_URL of the caller replace the servers.

    Workers of a distributed run inherit both from the controller, and so start nothing.
    """
    options = early_config.known_args_namespace
    if not (options.help or options.version):
        _use_sample_settings()
        try:
            early_config.add_cleanup(_start_servers().close)
        except StackFailed as failure:
            raise pytest.UsageError(str(failure)) from failure
    return (yield)


def _use_sample_settings() -> None:
    sample = PROJECT / ".env.sample"
    kept = keep_sample_settings(sample, os.environ)
    for name in os.environ.keys() - kept.keys():
        del os.environ[name]
    os.environ["ENV_FILE"] = str(sample)


def _start_servers() -> ExitStack:
    """Start what the environment does not name, and name it there. Closing the result stops it."""
    with ExitStack() as running:
        if os.environ.get("DATABASE_URL") and os.environ.get("BROKER_URL"):
            return running.pop_all()
        local = _hold_folder(running)
        supervisor = running.enter_context(
            Supervisor(PROJECT / local / "log", Progress(io.StringIO()))
        )
        sockets = runtime_folder(PROJECT, local)
        environment = without_libpq(os.environ)
        if not os.environ.get("DATABASE_URL"):
            start_postgres(
                supervisor,
                data=PROJECT / local / "postgres",
                sockets=sockets,
                environment=environment,
                durable=False,
            )
            for name in os.environ.keys() - environment.keys():
                del os.environ[name]
            os.environ["DATABASE_URL"] = database_url(PROJECT, local)
            # What conftest.py leaves on it serves the next run.
            os.environ["OWN_POSTGRES"] = "1"
        if not os.environ.get("BROKER_URL"):
            start_valkey(supervisor, sockets=sockets, environment=environment)
            os.environ["BROKER_URL"] = broker_url(PROJECT, local=local)
        return running.pop_all()


def _hold_folder(running: ExitStack) -> str:
    number = 1
    while True:
        local = f"{LOCAL}/tests-{number}"
        try:
            running.enter_context(hold_lock(PROJECT / local, "pytest"))
        except Held:
            number += 1
        else:
            return local
