"""What the local Chapa remembers, in a file, so that a restart forgets nothing of it."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from payments.chapa.sandbox.delivery import Attempt, Delivery
from payments.chapa.sandbox.refunds import Refund, RefundState
from payments.chapa.sandbox.transactions import Happening, Status, Transaction
from payments.chapa.wire import Mode

# Another shape of what is kept needs another number.
_VERSION = 1
_LOCKED_S = 1.0

Kept = Transaction | Refund | Delivery | Attempt


class StateUnusable(Exception):
    """The file is no state of the local Chapa, of another version, or in use."""


class Archive:
    """
    One file, for one process. Each change is in it when the method returns, whatever then kills
    the process. Not safe for many threads at once: the store takes care of that.

    :raises StateUnusable: if the file cannot be used.
    """

    def __init__(self, path: str) -> None:
        self._connection = _connect(path)
        try:
            self._prepare()
        except (sqlite3.Error, StateUnusable) as error:
            self._connection.close()
            raise StateUnusable(f"{path}: {error}") from None

    def keep(self, key: str, value: Kept) -> None:
        """Write it in the place of what was kept under its kind and key."""
        text = json.dumps(asdict(value), default=_tagged)
        self._connection.execute(
            "insert into kept (kind, key, value) values (?, ?, ?)"
            " on conflict (kind, key) do update set value = excluded.value",
            (type(value).__name__, key, text),
        )

    def drop(self, kind: type[Kept], key: str) -> None:
        self._connection.execute(
            "delete from kept where kind = ? and key = ?", (kind.__name__, key)
        )

    def clear(self) -> None:
        self._connection.execute("delete from kept")

    def transactions(self) -> Iterator[Transaction]:
        """Return them in the order in which they were first kept; so do the others."""
        return (_transaction(each) for each in self._read(Transaction))

    def refunds(self) -> Iterator[Refund]:
        for each in self._read(Refund):
            each |= {"mode": Mode(each["mode"]), "state": RefundState(each["state"])}
            yield Refund(**each)

    def deliveries(self) -> Iterator[Delivery]:
        for each in self._read(Delivery):
            yield Delivery(**each | {"told": _transaction(each["told"])})

    def attempts(self) -> Iterator[Attempt]:
        return (Attempt(**each) for each in self._read(Attempt))

    def close(self) -> None:
        self._connection.close()

    def _prepare(self) -> None:
        # Two processes with one state would not see each other's changes.
        self._connection.execute("pragma locking_mode = exclusive")
        self._connection.execute("pragma journal_mode = wal")
        # Enough for a killed process; a power cut may cost the last moments.
        self._connection.execute("pragma synchronous = normal")
        [(version,)] = self._connection.execute("pragma user_version")
        if version not in (0, _VERSION):
            raise StateUnusable("written by another version; delete it")
        self._connection.execute(
            "create table if not exists kept (id integer primary key, kind text not null,"
            " key text not null, value text not null, unique (kind, key))"
        )
        self._connection.execute(f"pragma user_version = {_VERSION}")

    def _read(self, kind: type[Kept]) -> Iterable[dict[str, Any]]:
        rows = self._connection.execute(
            "select value from kept where kind = ? order by id", (kind.__name__,)
        )
        return [json.loads(value, object_hook=_untagged) for (value,) in rows]


def _connect(path: str) -> sqlite3.Connection:
    try:
        return sqlite3.connect(
            path, timeout=_LOCKED_S, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise StateUnusable(f"{path}: {error}") from None


def _transaction(kept: dict[str, Any]) -> Transaction:
    happenings = tuple(Happening(**each) for each in kept["happenings"])
    return Transaction(
        **kept
        | {
            "mode": Mode(kept["mode"]),
            "status": Status(kept["status"]),
            "happenings": happenings,
        }
    )


def _tagged(value: object) -> dict[str, str]:
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, datetime):
        return {"$time": value.isoformat()}
    raise TypeError(f"{type(value).__name__} is not kept")


def _untagged(found: dict[str, Any]) -> object:
    # What a merchant wrote into `meta` may look like a tag.
    with suppress(ValueError, TypeError, ArithmeticError):
        if set(found) == {"$decimal"}:
            return Decimal(found["$decimal"])
        if set(found) == {"$time"}:
            return datetime.fromisoformat(found["$time"])
    return found
