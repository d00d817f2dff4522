from django.contrib import admin

from bookings.models import Booking, Listing, Mail
from core.admin import ReadOnlyAdmin


@admin.register(Listing)
class ListingAdmin(ReadOnlyAdmin):
    list_display = ("name", "city", "kind", "nightly_price", "sleeps", "is_listed")
    list_filter = ("city", "kind", "is_listed")
    search_fields = ("=id", "=slug")
    ordering = ("city", "name")


@admin.register(Booking)
class BookingAdmin(ReadOnlyAdmin):
    list_display = (
        "code",
        "status",
        "attention",
        "listing",
        "check_in",
        "check_out",
        "created_at",
    )
    list_filter = ("status", "attention")
    list_select_related = ("listing",)
    search_fields = ("=id", "=code", "=traveller__email")
    ordering = ("-created_at",)


@admin.register(Mail)
class MailAdmin(ReadOnlyAdmin):
    list_display = ("kind", "state", "booking", "created_at", "sent_at")
    list_filter = ("state", "kind")
    search_fields = ("=booking__code",)
    ordering = ("-id",)
