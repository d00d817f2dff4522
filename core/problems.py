"""Every refusal over HTTP: RFC 9457 problem+json, said once for all doors."""

import math
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response

from core.errors import Refusal

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"

TITLES = {
    400: "The request is not valid",
    401: "Authentication is required",
    403: "This is not allowed",
    404: "There is no such thing here",
    405: "This method is not allowed here",
    406: "Only JSON can be answered",
    413: "The request is too large",
    414: "The address is too long",
    415: "Only JSON is understood",
    417: "This expectation cannot be met",
    429: "Too many requests",
    431: "The headers are too long",
    500: "Something went wrong here",
    501: "This is not spoken here",
}
CODES = {
    400: "invalid",
    401: "not_authenticated",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "too_large",
    414: "address_too_long",
    415: "unsupported_media_type",
    417: "expectation_failed",
    429: "throttled",
    431: "headers_too_long",
    500: "internal_error",
    501: "not_implemented",
}


def problem(
    *,
    status: int,
    code: str | None = None,
    title: str | None = None,
    detail: str = "",
    errors: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """Return a problem; `errors` are `{"pointer": "/check_in", "detail": "…", "code": "…"}`."""
    code = code or CODES.get(status, "error")
    body: dict[str, Any] = {
        "type": f"{settings.PUBLIC_URL}/api/v1/docs#{code}",
        "title": title or TITLES.get(status, "The request failed"),
        "status": status,
        "code": code,
    }
    if detail:
        body["detail"] = detail
    if errors:
        body["errors"] = errors
    return body


def answer(exc: Exception, context: dict[str, Any]) -> Response:
    """DRF's exception handler: every way a view can fail, and never the exception's own text."""
    headers: dict[str, str] = {}
    match exc:
        case Refusal():
            body = _of_refusal(exc)
            if exc.retry_after is not None:
                headers["Retry-After"] = _seconds(exc.retry_after.total_seconds())
        case exceptions.ValidationError():
            body = problem(status=400, errors=list(_pointers(exc.detail)))
        case exceptions.APIException():
            body, headers = _of_framework(exc)
        case Http404():
            body = problem(status=404)
        case PermissionDenied():
            body = problem(status=403)
        case RequestDataTooBig():
            body = problem(status=413)
        case _:
            log.exception("request.failed", view=type(context.get("view")).__name__)
            body = problem(status=500, detail="It has been logged. Trying again may help.")
    if body["status"] == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(body, status=body["status"], headers=headers, content_type=CONTENT_TYPE)


def as_response(body: dict[str, Any]) -> HttpResponse:
    return JsonResponse(body, status=body["status"], content_type=CONTENT_TYPE)


def of_refusal(refusal: Refusal) -> HttpResponse:
    """The same answer for a plain Django view."""
    response = as_response(_of_refusal(refusal))
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = _seconds(refusal.retry_after.total_seconds())
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, DisallowedHost):
        return as_response(problem(status=400, detail="Unknown host."))
    if isinstance(exception, RequestDataTooBig):
        return as_response(problem(status=413))
    return as_response(problem(status=400))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return as_response(problem(status=404, detail="No page has this address."))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return as_response(problem(status=403))


def csrf_failed(request: HttpRequest, reason: str) -> HttpResponse:
    return as_response(problem(status=403, detail="Open the page again, then send the form."))


def server_error(request: HttpRequest) -> HttpResponse:
    return as_response(problem(status=500, detail="It has been logged. Trying again may help."))


def _of_refusal(refusal: Refusal) -> dict[str, Any]:
    return problem(
        status=refusal.status,
        code=refusal.code,
        title=refusal.title,
        detail=refusal.detail,
        errors=[
            {"pointer": pointer, "detail": detail, "code": refusal.code}
            for pointer, details in refusal.pointers.items()
            for detail in ([details] if isinstance(details, str) else details)
        ],
    )


def _of_framework(exc: exceptions.APIException) -> tuple[dict[str, Any], dict[str, str]]:
    headers: dict[str, str] = {}
    detail = ""
    if isinstance(exc, exceptions.ParseError):
        detail = "The body is not valid JSON."
    if isinstance(exc, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        detail = "Send a token of POST /api/v1/tokens as `Authorization: Bearer <token>`."
        return problem(status=401, detail=detail), headers
    if isinstance(exc, exceptions.Throttled) and (wait := getattr(exc, "wait", None)) is not None:
        headers["Retry-After"] = _seconds(wait)
    return problem(status=exc.status_code, detail=detail), headers


def _pointers(detail: Any, at: str = "") -> Any:
    """Flatten DRF's nested error lists into JSON pointers."""
    if isinstance(detail, dict):
        for key, value in detail.items():
            own = at if key == "non_field_errors" else f"{at}/{_escaped(key)}"
            yield from _pointers(value, own)
    elif isinstance(detail, list):
        for index, value in enumerate(detail):
            nested = isinstance(value, dict | list)
            yield from _pointers(value, f"{at}/{index}" if nested else at)
    else:
        yield {"pointer": at, "detail": str(detail), "code": getattr(detail, "code", "invalid")}


def _escaped(key: object) -> str:
    """RFC 6901: a request may name its members anything."""
    return str(key).replace("~", "~0").replace("/", "~1")


def _seconds(seconds: float) -> str:
    return str(max(1, math.ceil(seconds)))
