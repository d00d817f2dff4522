"""What a stay costs. Pure."""

from datetime import date

from core.money import Money


def quote(*, nightly: Money, check_in: date, check_out: date) -> Money:
    """Return the price of a stay: whole nights at the listing's price of today."""
    return Money(nightly.amount * (check_out - check_in).days, nightly.currency)
