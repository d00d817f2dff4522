"""Whether this process is alive, and whether it can do its work."""

import socket
from collections.abc import Callable
from typing import ClassVar
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe


@require_safe
def alive(_: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "ok"})


@require_safe
def ready(_: HttpRequest) -> HttpResponse:
    """
    503 unless the database answers and is migrated.

    The broker is reported and not required: without it a payment is still taken, and delivered by
    the relay itself.
    """
    database = _database()
    broker = "ok" if _broker_listens(settings.BROKER_URL) else "unreachable"
    return JsonResponse(
        {"database": database, "broker": broker}, status=200 if database == "ok" else 503
    )


def _database() -> str:
    try:
        executor = MigrationExecutor(connection)
        behind = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Error:
        connection.close()
        return "unreachable"
    return "behind: migrate" if behind else "ok"


def _broker_listens(url: str) -> bool:
    """Tell by a socket that something listens: only workers speak the broker's protocol."""
    parts = urlsplit(url)
    try:
        if parts.scheme == "redis+socket":
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unix:
                unix.settimeout(1)
                unix.connect(unquote(parts.path))
            return True
        default_port = 5672 if parts.scheme.startswith(("amqp", "pyamqp")) else 6379
        with socket.create_connection(
            (parts.hostname or "127.0.0.1", parts.port or default_port), timeout=1
        ):
            return True
    except OSError:
        return False


class Probes:
    """
    Answers `/healthz` and `/readyz` before anything looks at the request's host or scheme.

    Who probes a process asks it by its address, over plain http.
    """

    _VIEWS: ClassVar = {"/healthz": alive, "/readyz": ready}

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # Whoever does not just ask is answered, and refused, like everybody else.
        asks = request.method in ("GET", "HEAD")
        view = self._VIEWS.get(request.path_info) if asks else None
        return (view or self.get_response)(request)
