import time
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from core.causality import Cause, caused_by
from core.ids import new_id
from core.problems import as_response, problem

log = structlog.get_logger(__name__)


class RequestLog:
    """One line a request: the route, never the path, for paths hold return keys."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.monotonic()
        request_id = new_id()
        with structlog.contextvars.bound_contextvars(request_id=str(request_id)):
            with caused_by(Cause(actor="api", correlation_id=request_id)):
                response = self.get_response(request)
            response.headers["X-Request-Id"] = str(request_id)
            match = request.resolver_match
            log.info(
                "request",
                method=request.method,
                route=match.route if match else "unknown",
                status=response.status_code,
                ms=round((time.monotonic() - started) * 1000, 1),
            )
        return response


class PlainRefusals:
    """Says as a problem what Django refuses without a word."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if isinstance(response, HttpResponseNotAllowed):
            refused = as_response(problem(status=405))
            refused.headers["Allow"] = response.headers["Allow"]
            return refused
        return response


class NotKept:
    """No cache keeps what this process said, unless the page says otherwise."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response
