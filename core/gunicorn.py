"""gunicorn's configuration; the names are gunicorn's."""

import json
import os
from socket import socket
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")

from django.conf import settings
from gunicorn import glogging, util

from core.problems import CONTENT_TYPE, problem

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

# RequestLog writes our lines. gunicorn's would be put together for each request, and then dropped,
# for wherever `logconfig_dict` is set it takes for granted that somebody wants them.
glogging.Logger.access_log_enabled = False

# A caller who falls silent within a body would otherwise keep a thread for ever.
_PATIENCE_S = 5.0


def pre_request(worker: Any, request: Any) -> None:
    request.unreader.sock.settimeout(_PATIENCE_S)


def _write_problem(client: socket, status: int, reason: str, _: str) -> None:
    """Refuse what never reaches Django; gunicorn's own words may repeat the request."""
    body = json.dumps(problem(status=status)).encode()
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nCache-Control: no-store\r\n"
        f"Content-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    util.write_nonblock(client, head.encode() + body)


# gunicorn has no setting for the page it writes itself, which is HTML.
util.write_error = _write_problem
