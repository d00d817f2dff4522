from django.contrib import admin

from core.admin import ReadOnlyAdmin
from events.models import Delivery, Event, Receipt, Replay


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ("id", "type", "subject", "actor", "occurred_at")
    list_filter = ("type",)
    search_fields = ("=id", "=subject", "=correlation_id")
    ordering = ("-id",)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("event", "handler", "group", "state", "attempts", "next_at")
    list_filter = ("state", "group", "handler")
    list_select_related = True
    search_fields = ("=event__id", "=event__subject")
    ordering = ("-id",)


@admin.register(Receipt)
class ReceiptAdmin(ReadOnlyAdmin):
    list_display = ("event_id", "handler", "generation", "how", "worker", "done_at")
    search_fields = ("=event_id",)
    ordering = ("-id",)


@admin.register(Replay)
class ReplayAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "mode", "actor", "reason")
    ordering = ("-id",)
