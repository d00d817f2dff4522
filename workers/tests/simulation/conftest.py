"""`--seeds`: which histories are lived through; the local Chapa with its clock held."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings as project_settings
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from core.rates import Rate
from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.server import RunningSandbox, running_sandbox
from workers.simulation.world import HandClock


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seeds", default="0:200", help="FIRST:END, or one seed")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        first, _, end = metafunc.config.getoption("--seeds").partition(":")
        metafunc.parametrize("seed", range(int(first), int(end or int(first) + 1)))


@pytest.fixture(scope="session")
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(scope="session")
def held_sandbox(live_server: LiveServer, clock: HandClock) -> Iterator[RunningSandbox]:
    """The local Chapa on a real socket; nothing in it happens before it is told to catch up."""
    config = SandboxConfig(
        secret_keys=(project_settings.CHAPA_SECRET_KEY,),
        webhook_secrets=tuple(project_settings.CHAPA_WEBHOOK_SECRETS),
        public_url=live_server.url,
        retry_s=600,
        delay_s=timedelta(minutes=12).total_seconds(),
        refund_s=timedelta(hours=30).total_seconds(),
    )
    with running_sandbox(config, clock) as running:
        yield running


@pytest.fixture
def still_chapa(
    held_sandbox: RunningSandbox, live_server: LiveServer, settings: Settings
) -> RunningSandbox:
    settings.PUBLIC_URL = live_server.url
    settings.CHAPA_BASE_URL = held_sandbox.base_url
    settings.CHAPA_CHECKOUT_HOSTS = [held_sandbox.checkout_host]
    # One thread, so that a seed says who is first; and no waiting for a clock that stands still.
    settings.SWEEP_CONCURRENCY = 1
    settings.SWEEP_CALLS = Rate(1_000_000, timedelta(seconds=1))
    return held_sandbox
