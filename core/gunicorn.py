"""gunicorn's configuration; the names are gunicorn's."""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")

from django.conf import settings

bind = f"{settings.BIND}:{settings.PORT}"
worker_class = "gthread"
workers = settings.WEB_PROCESSES
threads = settings.WEB_THREADS
# Longer than connect + read towards Chapa, so that an initiation is never cut off half way.
graceful_timeout = 20
keepalive = 5
limit_request_line = 4094
limit_request_fields = 60
control_socket_disable = True
logconfig_dict = settings.LOGGING

# A caller who falls silent within a body would otherwise keep a thread for ever.
_PATIENCE_S = 5.0


def pre_request(worker: Any, request: Any) -> None:
    request.unreader.sock.settimeout(_PATIENCE_S)
