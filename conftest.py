"""Fixtures that tests of more than one room share."""

import logging
import os
from collections.abc import Callable, Iterator

import hypothesis
import pytest
from aiosmtpd.controller import Controller
from csp.constants import SELF
from django.conf import settings as project_settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoDbBlocker
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from bookings.tests.mail_server import Postbox, serve
from core.testing import migrated_database, use_quick_teardown
from events.delivery import drain_all
from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.server import RunningSandbox, running_sandbox

use_quick_teardown()
# The work of a hash is meant for attackers; at its full cost it was a tenth of the suite's time.
Argon2PasswordHasher.time_cost, Argon2PasswordHasher.memory_cost = 1, 1024
# The live server starts a thread per connection: kept database connections would pile up.
project_settings.DATABASES["default"]["CONN_MAX_AGE"] = 0
# The same examples on every machine; new ones by hand, with --hypothesis-profile=long.
hypothesis.settings.register_profile(
    "quick",
    max_examples=50,
    derandomize=True,
    deadline=None,
    # Else a fixture could not be shared by the examples of one test.
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.register_profile(
    "long", hypothesis.settings.get_profile("quick"), max_examples=5000, derandomize=False
)
hypothesis.settings.load_profile("quick")
# Else every new test client scans all static files: 19 ms each.
project_settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: DjangoDbBlocker
) -> None:
    """On a server of our own, which keeps it: copy a database that is migrated already."""
    if os.environ.get("OWN_POSTGRES"):
        with django_db_blocker.unblock():
            connection.settings_dict["TEST"]["TEMPLATE"] = migrated_database()


@pytest.fixture(scope="session")
def sandbox(live_server: LiveServer) -> Iterator[RunningSandbox]:
    """The local Chapa on a real socket, calling back to a real server of ours."""
    config = SandboxConfig(
        secret_keys=(project_settings.CHAPA_SECRET_KEY,),
        webhook_secrets=tuple(project_settings.CHAPA_WEBHOOK_SECRETS),
        public_url=live_server.url,
        retry_s=0.2,
    )
    with running_sandbox(config) as running:
        yield running


@pytest.fixture
def chapa(
    sandbox: RunningSandbox, live_server: LiveServer, settings: Settings
) -> Iterator[RunningSandbox]:
    """A local Chapa that knows nothing yet, and Guzo pointed at it."""
    sandbox.reset()
    settings.PUBLIC_URL = live_server.url
    settings.CHAPA_BASE_URL = sandbox.base_url
    settings.CHAPA_CHECKOUT_HOSTS = [sandbox.checkout_host]
    directives = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    settings.CONTENT_SECURITY_POLICY = {
        "DIRECTIVES": directives | {"form-action": [SELF, sandbox.checkout_host]}
    }
    yield sandbox
    sandbox.reset()


@pytest.fixture(scope="session")
def mail_server() -> Iterator[Controller]:
    server = serve(Postbox())
    # Each line of every conversation is a tenth of what a letter costs.
    logging.getLogger("mail.log").setLevel(logging.WARNING)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def postbox(mail_server: Controller, settings: Settings) -> Postbox:
    """A mail server on a real socket that has taken nothing yet, and Guzo pointed at it."""
    mail_server.handler = postbox = Postbox()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mail_server.port
    return postbox


@pytest.fixture
def drain() -> Callable[[], int]:
    """Deliver what is due now, here, as `manage.py deliver_events` does."""
    return lambda: drain_all(timezone.now)
