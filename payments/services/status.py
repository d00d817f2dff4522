"""Payments to look at, for the rooms above."""

from uuid import UUID

from django.db.models import QuerySet

from payments.models import Payment

__all__ = ["Payment", "all_for", "get", "payments_for"]


def get(payment_id: UUID) -> Payment:
    return Payment.objects.get(id=payment_id)


def payments_for(reference: UUID) -> QuerySet[Payment]:
    return Payment.objects.filter(reference=reference)


def all_for(reference: UUID) -> list[Payment]:
    """Return every payment of a reference, oldest first."""
    return list(payments_for(reference).order_by("created_at", "id"))
