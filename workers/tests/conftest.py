"""Time held by hand, for Guzo and for the local Chapa alike."""

from collections.abc import Iterator
from datetime import timedelta
from unittest.mock import patch

import pytest
from django.conf import settings as project_settings
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from core.rates import Rate
from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.server import RunningSandbox, running_sandbox
from workers.simulation.world import BEGINNING, HandClock


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
        hang_s=0,
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


@pytest.fixture
def held_time(clock: HandClock) -> Iterator[HandClock]:
    """The doors read this clock, too; it stands at the beginning."""
    clock.now = BEGINNING
    with patch("django.utils.timezone.now", clock):
        yield clock
