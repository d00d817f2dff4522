from typing import Any

# Read before ours, so that what they register is there to be taken away.
import django.contrib.auth.admin  # noqa: F401
import knox.admin  # noqa: F401
from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.models import Group
from django.core.paginator import Paginator
from django.db import connection, models
from django.forms import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.functional import cached_property
from knox.models import AuthToken

from core.accounts import count_attempt
from core.addresses import client_address
from core.errors import TooMany
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
    """People to look at. A superuser says here who is an operator, and what one may see."""

    list_display = ("email", "first_name", "last_name", "is_staff", "joined_at", "erased_at")
    list_filter = ("is_staff",)
    search_fields = ("email__exact", "=id")
    ordering = ("-joined_at",)
    exclude = ("password", "groups")
    filter_horizontal = ("user_permissions",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_active and request.user.is_superuser

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        changeable = {"is_staff", "user_permissions", *self.exclude}
        fields = (*User._meta.fields, *User._meta.many_to_many)
        return [field.name for field in fields if field.name not in changeable]


# Whoever makes a token for somebody acts as them; permissions are given to people, not groups.
admin.site.unregister([AuthToken, Group])


class OperatorLogin(AdminAuthenticationForm):
    """The admin's login, with limits of its own."""

    def clean(self) -> dict[str, Any]:
        assert self.request is not None
        try:
            count_attempt(
                email=str(self.cleaned_data.get("username", "")),
                address=client_address(self.request),
                door="ADMIN_LOGINS_PER_ADDRESS",
                at=timezone.now(),
            )
        except TooMany as refusal:
            raise ValidationError(
                f"Too many attempts. {refusal.detail}", code=refusal.code
            ) from refusal
        cleaned: dict[str, Any] = super().clean()
        return cleaned


def log_in_operator(request: HttpRequest) -> HttpResponse:
    """The admin's own login page; 429 where it says that it was tried too often."""
    response = admin.site.login(request)
    if isinstance(response, TemplateResponse) and response.context_data:
        form = response.context_data["form"]
        if form.is_bound and form.has_error("__all__", TooMany.code):
            response.status_code = 429
    return response


admin.site.login_form = OperatorLogin
admin.site.site_header = "Guzo"
admin.site.site_title = "Guzo"
admin.site.index_title = "Rooms"
