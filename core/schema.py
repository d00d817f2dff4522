"""What the OpenAPI document says beyond what the views say themselves."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
)
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework.serializers import CharField

from core.errors import Refusal
from core.problems import CODES, CONTENT_TYPE, TITLES

# What a request without members may carry.
EMPTY_BODY = {"application/json": {"type": "object", "maxProperties": 0}}

PROBLEM = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; `errors` point into the request.",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "examples": ["dates_unavailable"]},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail", "code"],
                "properties": {
                    "pointer": {"type": "string", "examples": ["/check_in"]},
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                },
            },
        },
    },
}
_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"const": "Bearer"}}},
    429: {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}},
    503: {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}},
}
_REFUSALS = "x-refusals"
# What Python's strip() leaves; ECMA's own class knows neither the separators nor NEL.
_SOMETHING_LEFT = r"[^\s\x1c-\x1f\x85]"


def key_parameter(*, required: bool) -> OpenApiParameter:
    """Return what an operation says of the Idempotency-Key that it takes."""
    return OpenApiParameter(
        "Idempotency-Key",
        # Not an empty quoted string, and a space only inside.
        {"type": "string", "pattern": r'^(?!""$)[!-~]([ -~]{0,253}[!-~])?$'},
        OpenApiParameter.HEADER,
        required=required,
        description="A fresh UUID per intention; the same again returns what the first one made.",
    )


def refuses(*kinds: type[Refusal] | int) -> dict[str, Any]:
    """
    Return the `extensions` of an operation that refuses in these ways of its own.

    A number stands for the framework's refusal with that status. What every operation of its kind
    can answer is added to all of them: see `describe_problems`.
    """
    return {_REFUSALS: kinds}


class NestedNamesSchema(AutoSchema):
    """Names a shape that stands inside its view after both: `Users.Output` is `UsersOutput`."""

    def get_serializer_name(self, serializer: Any, direction: str) -> str:
        name: str = type(serializer).__qualname__
        return name.rsplit("<locals>.", 1)[-1].replace(".", "")


class RequestShape(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Closed, and something must be left of a trimmed text; drf-spectacular finds it defined."""

    target_class = "core.serializers.Request"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        describe: Any = auto_schema._map_serializer
        shape: dict[str, Any] = describe(self.target, direction, bypass_extensions=True)
        for name, field in self.target.fields.items():
            if isinstance(field, CharField) and field.trim_whitespace and not field.allow_blank:
                text = shape["properties"][name]
                if not {"format", "pattern"} & set(text):
                    text["pattern"] = _SOMETHING_LEFT
        return {**shape, "additionalProperties": False}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How clients log in; drf-spectacular finds it by its being defined."""

    target_class = "core.auth.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


def describe_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Give every operation its refusals by status, each with the codes it can bear."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM
    for path, operations in result.get("paths", {}).items():
        for operation in operations.values():
            titles: dict[int, dict[str, str]] = defaultdict(dict)
            for status in _common(path, operation):
                titles[status][CODES[status]] = TITLES[status]
            for kind in operation.pop(_REFUSALS, ()):
                if isinstance(kind, int):
                    titles[kind][CODES[kind]] = TITLES[kind]
                else:
                    titles[kind.status][kind.code] = kind.title
            for status in sorted(titles):
                operation["responses"][str(status)] = _refused(status, titles[status])
    return result


def _common(path: str, operation: dict[str, Any]) -> Iterator[int]:
    """Yield what every operation of this kind can answer."""
    yield from (406, 414, 431, 500)
    if operation.get("security"):
        yield 401
    if "{" in path:
        yield 404
    if "requestBody" in operation:
        yield from (400, 413, 415)
    if any(parameter["in"] != "path" for parameter in operation.get("parameters", ())):
        yield 400


def _refused(status: int, titles: dict[str, str]) -> dict[str, Any]:
    exact = {"status": {"const": status}, "code": {"enum": sorted(titles)}}
    shape = {"allOf": [{"$ref": "#/components/schemas/Problem"}, {"properties": exact}]}
    answer: dict[str, Any] = {
        "description": " ".join(f"`{code}`: {titles[code]}." for code in sorted(titles)),
        "content": {CONTENT_TYPE: {"schema": shape}},
    }
    if status in _HEADERS:
        answer["headers"] = _HEADERS[status]
    return answer
