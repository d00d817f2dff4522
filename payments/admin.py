from django.contrib import admin

from core.admin import ReadOnlyAdmin
from payments.models import (
    GatewayCall,
    IncomingWebhook,
    LedgerEntry,
    Payment,
    Refund,
    Statement,
    StatementDifference,
)


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    list_display = ("id", "status", "amount", "currency", "mode", "created_at")
    list_filter = ("status", "mode")
    search_fields = ("=id", "=tx_ref", "=reference", "=gateway_reference")
    # Links that pay or return stay with their owners.
    exclude = ("checkout_url", "return_key_digest")
    ordering = ("-created_at",)


@admin.register(GatewayCall)
class GatewayCallAdmin(ReadOnlyAdmin):
    list_display = ("asked_at", "kind", "outcome", "http_status", "took_ms", "actor")
    list_filter = ("kind", "outcome")
    search_fields = ("=payment__id",)
    ordering = ("-asked_at",)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin):
    list_display = ("recorded_at", "kind", "amount", "currency", "payment")
    list_filter = ("kind",)
    search_fields = ("=payment__id",)
    ordering = ("-recorded_at",)


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    list_display = ("requested_at", "state", "amount", "currency", "source", "reason")
    list_filter = ("state", "source")
    search_fields = ("=payment__id",)
    ordering = ("-requested_at",)


@admin.register(IncomingWebhook)
class IncomingWebhookAdmin(ReadOnlyAdmin):
    list_display = ("received_at", "verdict", "matching", "event", "tx_ref", "length")
    list_filter = ("verdict", "matching")
    search_fields = ("=tx_ref", "=digest")
    exclude = ("body",)
    ordering = ("-received_at",)


@admin.register(Statement)
class StatementAdmin(ReadOnlyAdmin):
    list_display = ("started_at", "since", "until", "mode", "state", "problem", "finished_at")
    list_filter = ("state",)
    ordering = ("-started_at",)


@admin.register(StatementDifference)
class StatementDifferenceAdmin(ReadOnlyAdmin):
    list_display = ("first_seen_at", "kind", "reference", "here", "there", "resolved_at", "gone_at")
    list_filter = ("kind",)
    search_fields = ("=reference", "=payment__id")
    ordering = ("-first_seen_at",)
