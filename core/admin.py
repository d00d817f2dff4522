from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import connection, models
from django.http import HttpRequest
from django.utils.functional import cached_property

from core.models import User


class EstimatingPaginator(Paginator[Any]):
    """Counts a whole table by PostgreSQL's estimate: an exact count of a log reads all of it."""

    @cached_property
    def count(self) -> int:
        query: Any = self.object_list
        if isinstance(query, models.QuerySet) and not query.query.where:
            with connection.cursor() as cursor:
                cursor.execute(
                    "select reltuples::bigint from pg_class where oid = %s::regclass",
                    [query.model._meta.db_table],
                )
                estimate = int(cursor.fetchone()[0])
            if estimate > 10_000:
                return estimate
        return super().count


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Rows to look at. What may be changed is changed by a service, with a reason."""

    show_full_result_count = False
    paginator = EstimatingPaginator
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    list_display = ("email", "first_name", "last_name", "is_staff", "joined_at")
    search_fields = ("email__exact",)
    ordering = ("-joined_at",)
    exclude = ("password",)


admin.site.site_header = "Guzo"
admin.site.site_title = "Guzo"
admin.site.index_title = "Rooms"
