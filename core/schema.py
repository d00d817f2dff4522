"""What the OpenAPI document says beyond what the views say themselves."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

PROBLEM = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; `errors` point into the request's body.",
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


class NestedNamesSchema(AutoSchema):
    """Names a shape that stands inside its view after both: `Users.Output` is `UsersOutput`."""

    def get_serializer_name(self, serializer: Any, direction: str) -> str:
        name: str = type(serializer).__qualname__
        return name.rsplit("<locals>.", 1)[-1].replace(".", "")


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How clients log in; drf-spectacular finds it by its being defined."""

    target_class = "core.auth.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


def describe_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Give every operation its problem answer: one shape, whatever was refused."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM
    refused = {
        "description": "A refusal",
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }
    for path in result.get("paths", {}).values():
        for operation in path.values():
            if isinstance(operation, dict) and "responses" in operation:
                operation["responses"].setdefault("4XX", refused)
                operation["responses"].setdefault("5XX", refused)
    return result
