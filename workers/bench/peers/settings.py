"""A Django project without anything of Guzo: one peer, one database of its own."""

import logging
import os
import sys

import structlog

if os.environ.get("BENCH_DRIVER") == "psycopg2":
    # Both are installed, and Django would take psycopg 3. Nobody needs it who does not listen, and
    # it took 1.2 to 2.1 times the CPU for one effect.
    sys.modules["psycopg"] = None  # type: ignore[assignment]

PEER = os.environ["BENCH_ENGINE"].rpartition(".")[2]
SECRET_KEY = "only-signs-rows-of-a-benchmark"  # noqa: S105
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
_NEEDED = {
    "domain_events": ["django_domain_events"],
    "procrastinate": ["procrastinate.contrib.django"],
    "procrastinate_unordered": ["procrastinate.contrib.django"],
    "jaiminho": ["jaiminho"],
    "celery_outbox": ["django_celery_outbox"],
    "celery_tasks": [],
    "listener": [],
}
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    *_NEEDED[PEER],
    "workers.bench.shop",
    "workers.bench.peers",
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["BENCH_SOCKETS"],
        "PORT": "5432",
        "NAME": os.environ["BENCH_DATABASE"],
        "USER": "guzo",
        "CONN_MAX_AGE": None,
    }
}

CELERY_BROKER_URL = os.environ["BROKER_URL"]
CELERY_TASK_IGNORE_RESULT = True
if os.environ.get("BENCH_REUSE"):
    CELERY_DB_REUSE_MAX = 100_000

CELERY_OUTBOX_APP = "workers.bench.peers.outbox_celery.app"
JAIMINHO_CONFIG = {"PUBLISH_STRATEGY": "keep-order", "DEFAULT_CAPTURE_EXCEPTION": None}
DJANGO_DOMAIN_EVENTS = {
    "WAKE": os.environ.get("BENCH_WAKE", "notify"),
    "NOTIFY_COALESCE_SECONDS": float(os.environ.get("BENCH_COALESCE_SECONDS", "0.5")),
}

# As quiet as Guzo is while it is measured.
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
