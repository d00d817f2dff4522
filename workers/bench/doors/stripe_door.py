"""
A project that takes Stripe's webhooks with dj-stripe, as its documentation sets it up.

Run by gunicorn as `stripe_door:application`, and by itself to make its database.
"""

import os
import sys
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.urls import include, path

_KEY = "sk_test_" + "0" * 24

settings.configure(
    SECRET_KEY="stripe",  # noqa: S106
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    APPEND_SLASH=False,
    # For Content-Length. A real project has more.
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "djstripe"],
    # Its tables as they are today: to come there by its migrations takes a minute and a half.
    MIGRATION_MODULES={"contenttypes": None, "auth": None, "djstripe": None},
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": os.environ["BENCH_SOCKETS"],
            "USER": "guzo",
            "NAME": "stripe",
            "CONN_MAX_AGE": None,
        }
    },
    STRIPE_API_HOST=os.environ["BENCH_STRIPE_API"],
    STRIPE_LIVE_MODE=False,
    STRIPE_TEST_SECRET_KEY=_KEY,
    DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
)
django.setup()

# Only now: they are models of the project above.
from djstripe.event_handlers import djstripe_receiver  # noqa: E402
from djstripe.models import Account, APIKey, Event, WebhookEndpoint  # noqa: E402


def owe_fulfilment(sender: Any, event: Event, **_: Any) -> None:
    """Note what must follow, for a worker: one row, as our door writes one."""
    with connection.cursor() as cursor:
        cursor.execute("insert into debt (event) values (%s)", [event.id])


djstripe_receiver("payment_intent.succeeded")(owe_fulfilment)


urlpatterns = [path("stripe/", include("djstripe.urls", namespace="djstripe"))]
application: Any = get_wsgi_application()


def prepare(endpoint: str, secret: str) -> None:
    """Migrate, and know beforehand what dj-stripe would ask Stripe about only once."""
    call_command("migrate", run_syncdb=True, verbosity=0)
    owner = Account.objects.create(id="acct_bench", livemode=False)
    APIKey.objects.create(type="secret", secret=_KEY, livemode=False, djstripe_owner_account=owner)
    WebhookEndpoint.objects.create(
        djstripe_owner_account=owner,
        id="we_bench",
        djstripe_uuid=endpoint,
        secret=secret,
        livemode=False,
        status="enabled",
        enabled_events=["*"],
        url="https://bench.example/",
    )
    with connection.cursor() as cursor:
        cursor.execute("create table debt (id bigserial primary key, event text not null)")


if __name__ == "__main__":
    prepare(*sys.argv[1:])
