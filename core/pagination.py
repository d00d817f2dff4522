from typing import Any

from django.core.exceptions import ValidationError
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from core.errors import Invalid
from core.serializers import QueryString

DEFAULT_PAGE = 25
LONGEST_PAGE = 100


class PageQuery(QueryString):
    """Which page of a list."""

    cursor = serializers.CharField(required=False, max_length=400)
    page_size = serializers.IntegerField(required=False, min_value=1, max_value=LONGEST_PAGE)


class CursorInvalid(Invalid):
    """This is no cursor of this list."""

    code = "cursor_invalid"


class NewestFirst(CursorPagination):
    """
    `{"next", "previous", "results"}`, by time of creation, newest first.

    Views check the query string with a `PageQuery` of their own before.
    """

    page_size = DEFAULT_PAGE
    max_page_size = LONGEST_PAGE
    page_size_query_param = "page_size"
    ordering: tuple[str, ...] = ("-created_at", "-id")

    def paginate_queryset(
        self, queryset: Any, request: Request, view: Any = None
    ) -> list[Any] | None:
        self._position = queryset.model._meta.get_field(self.ordering[0].lstrip("-"))
        return super().paginate_queryset(queryset, request, view)

    def decode_cursor(self, request: Request) -> Any:
        """:raises CursorInvalid: DRF answers 404, and a position of another kind is a 500."""
        try:
            cursor = super().decode_cursor(request)
            if cursor is not None and cursor.position is not None:
                self._position.to_python(cursor.position)
        except (NotFound, ValidationError):
            raise CursorInvalid(pointers={"/cursor": "Follow `next` or `previous`."}) from None
        return cursor

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        page = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": page, "previous": page, "results": schema},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Said by the view's query."""
        return []
