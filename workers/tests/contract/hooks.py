"""What the schema cannot say to schemathesis, which loads this page by its name."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import schemathesis
from schemathesis import Case, HookContext, Response
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import RejectedPositiveData


@schemathesis.hook
def filter_failure(
    context: HookContext, failure: Failure, case: Case[Any], response: Response
) -> bool:
    """
    Let what fits the schema be refused for a reason that the operation declares by its code.

    A schema knows no calendar and no list of weak passwords, nor which keys were used.
    """
    generic = response.json().get("code") == "invalid"
    return generic or not isinstance(failure, RejectedPositiveData)


@schemathesis.hook
def map_body(context: HookContext, body: Any) -> Any:
    """Move a stay into the days that can be booked, whatever else is wrong with it."""
    return _bookable(body) if isinstance(body, dict) else body


@schemathesis.hook
def map_query(context: HookContext, query: dict[str, Any]) -> dict[str, Any]:
    """Look for places on days that can be booked, and mostly from the first page on."""
    cursor = query.get("cursor") if query else None
    if isinstance(cursor, str) and 1 <= len(cursor) <= 400 and cursor[0] not in "abcd":
        query = {name: value for name, value in query.items() if name != "cursor"}
    return _bookable(query) if query else query


def _bookable(asked: dict[str, Any]) -> dict[str, Any]:
    try:
        came, went = (date.fromisoformat(asked[name]) for name in ("check_in", "check_out"))
    except (KeyError, TypeError, ValueError):
        return asked
    check_in = datetime.now(UTC).date() + timedelta(days=1 + came.toordinal() % 480)
    nights = timedelta(days=1 + went.toordinal() % 4)
    return asked | {"check_in": str(check_in), "check_out": str(check_in + nights)}
