"""A day is a day in Ethiopia, wherever the traveller or the server is. Pure."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

ADDIS_ABABA = ZoneInfo("Africa/Addis_Ababa")


def today(at: datetime) -> date:
    """Return the day that this moment falls on."""
    return at.astimezone(ADDIS_ABABA).date()
