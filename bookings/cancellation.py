"""What goes back when a paid stay is given up. Pure; docs/architecture.md shows the table."""

from datetime import date
from decimal import ROUND_DOWN, Decimal

from core.money import CENTS, Money

# Terms → (at least this many days before check-in, share of the price), best first.
TERMS: dict[str, tuple[tuple[int, Decimal], ...]] = {
    "flexible": ((1, Decimal(1)),),
    "moderate": ((5, Decimal(1)), (1, Decimal("0.5"))),
    "strict": ((14, Decimal("0.5")),),
}


def refundable(*, terms: str, paid: Money, check_in: date, today: date) -> Money:
    """Return what the terms, frozen at booking, give back; never more than was paid."""
    days_left = (check_in - today).days
    share = next((share for days, share in TERMS[terms] if days_left >= days), Decimal(0))
    return Money((paid.amount * share).quantize(CENTS, ROUND_DOWN), paid.currency)
