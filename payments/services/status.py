"""Payments to look at, for the rooms above."""

from uuid import UUID

from payments.models import Payment

__all__ = ["Payment", "all_for", "get"]


def get(payment_id: UUID) -> Payment:
    return Payment.objects.get(id=payment_id)


def all_for(reference: UUID) -> list[Payment]:
    """Return every payment of a reference, oldest first."""
    return list(Payment.objects.filter(reference=reference).order_by("created_at", "id"))
