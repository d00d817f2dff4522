"""Laws 4 and 5, as two questions about the present transaction."""

from django.db import connections


class NetworkInTransaction(RuntimeError):
    """A network call was about to happen inside a database transaction."""


class OutsideTransaction(RuntimeError):
    """An event was about to be recorded outside a transaction."""


def in_transaction() -> bool:
    """
    Return whether any open atomic block is the caller's own.

    A test case's outer block does not count: `_from_testcase` is what Django's own `durable`
    looks at (pinned by core/tests/test_transactions.py).
    """
    return any(
        not block._from_testcase  # type: ignore[attr-defined]
        for connection in connections.all(initialized_only=True)
        for block in connection.atomic_blocks
    )


def refuse_network_in_transaction() -> None:
    """
    :raises NetworkInTransaction: if a transaction is open, which the call would keep open.
    """
    if in_transaction():
        raise NetworkInTransaction("Commit first: docs/architecture.md, law 4.")


def require_transaction() -> None:
    """
    :raises OutsideTransaction: if none is open: the event could outlive the change it reports.
    """
    if not in_transaction():
        raise OutsideTransaction(
            "Record the event in the commit it reports: docs/architecture.md, law 5."
        )
