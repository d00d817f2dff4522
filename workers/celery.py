"""The Celery application: it is the doorbell and the CPU; PostgreSQL is the queue."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, task_prerun
from django.conf import settings
from django.db import connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")

app = Celery("guzo")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.imports = ["workers.tasks"]
# Bells are not queued on a worker that is busy: a free one can answer sooner.
app.conf.worker_prefetch_multiplier = 1


@setup_logging.connect
def keep_our_logging(**_: Any) -> None:
    """Celery configures no logging when someone listens here; core/settings.py has done it."""
    assert settings.LOGGING


@task_prerun.connect
def check_connection(**_: Any) -> None:
    """CELERY_DB_REUSE_MAX keeps connections and never checks them: a dead one would stay dead."""
    connection.close_if_unusable_or_obsolete()
