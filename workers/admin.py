from django.contrib import admin

from core.admin import ReadOnlyAdmin
from workers.models import OperatorMail


@admin.register(OperatorMail)
class OperatorMailAdmin(ReadOnlyAdmin):
    list_display = ("kind", "state", "event_id", "created_at", "sent_at")
    list_filter = ("state", "kind")
    search_fields = ("=event_id",)
    ordering = ("-id",)
