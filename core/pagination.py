from rest_framework.pagination import CursorPagination


class NewestFirst(CursorPagination):
    """`{"next", "previous", "results"}`, by time of creation, newest first."""

    page_size = 25
    max_page_size = 100
    page_size_query_param = "page_size"
    ordering = ("-created_at", "-id")
