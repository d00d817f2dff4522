"""Read JSON that nobody vouches for. Pure, and no function here raises on any input."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import TypeAlias

Evidence: TypeAlias = dict[str, object]
Rows: TypeAlias = tuple[Mapping[str, object], ...]

_NOT_OUR_RIGHT = (401, 403)
_NO_ANSWER = (*_NOT_OUR_RIGHT, 408, 429)
_USED_BEFORE = ("used before", "already been taken", "validation.unique")

# Longer than any text that Chapa is known to write into a field.
_FIELD_LENGTH = 64
_MESSAGE_LENGTH = 500

# Chapa takes a million at most. Without a bound the digits of "1e999999999" fill the memory.
_LARGEST_EXPONENT = 9
_SMALLEST_EXPONENT = -25
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?")
_CURRENCY = re.compile(r"[A-Z]{3}")
_REFERENCE = re.compile(r"[A-Za-z0-9_-]+")

_PERSONAL = re.compile(r"[A-Za-z]+://\S+|[^\s@,;:]+@[^\s@,;]+|\+?[0-9][0-9 -]{7,}[0-9]")

_KEPT_TEXTS = (
    "status",
    "currency",
    "mode",
    "type",
    "method",
    "payment_method",
    "reference",
    "tx_ref",
    "ref_id",
    "refund_reference",
    "payment_reference",
    "merchant_reference",
    "created_at",
    "updated_at",
)
_KEPT_NUMBERS = ("amount", "charge")


@dataclass(frozen=True)
class Envelope:
    """
    Chapa's outer object, `{"message": ..., "status": ..., "data": {...}}`.

    `status` says only whether the call worked. `has_field_messages` is true where the message
    was an object of complaints by field. `rows` is there where `data` is a list of objects.
    """

    status: str
    message: str
    has_field_messages: bool
    data: Mapping[str, object] | None
    rows: Rows | None

    @property
    def is_chapas(self) -> bool:
        """Whether it says both things that each of Chapa's own answers says."""
        return bool(self.status and self.message)

    def evidence(self) -> Evidence:
        """Return what may be kept for ever: no name, address, number or link of a person."""
        kept = None if self.data is None else _kept(self.data)
        return {"status": self.status, "message": self.message, "data": kept}


def read_envelope(body: bytes) -> Envelope | None:
    """Return Chapa's outer object, empty where the JSON is of another shape; None if not JSON."""
    try:
        answer = json.loads(
            body,
            parse_float=Decimal,
            parse_int=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_refuse_duplicates,
        )
    # Decimal has its own error for an exponent beyond reason, and 1 MiB can nest very deep.
    except (ValueError, ArithmeticError, RecursionError):
        return None
    outer = answer if isinstance(answer, dict) else {}
    message, data = outer.get("message"), outer.get("data")
    return Envelope(
        status=read_text(outer.get("status")).lower(),
        message=_redacted(_flattened(message)),
        has_field_messages=isinstance(message, dict) and bool(message),
        data=data if isinstance(data, dict) else None,
        rows=read_rows(data),
    )


def refuses_our_key(http_status: int, envelope: Envelope | None) -> bool:
    """A proxy in front may forbid one odd request; only Chapa's own words are about our key."""
    return http_status in _NOT_OUR_RIGHT and envelope is not None and envelope.is_chapas


def says_nothing(http_status: int) -> bool:
    """Whether such a status is about the moment, not about what was asked."""
    return http_status in _NO_ANSWER or http_status >= 500


def says_used_before(message: str) -> bool:
    """Whether a lower-case message refuses a reference because it served once."""
    return any(words in message for words in _USED_BEFORE)


def evidence_of(envelope: Envelope | None, body: bytes) -> Evidence:
    """Return what may be kept for ever of an answer, understood or not."""
    if envelope is None:
        return {"problem": "not JSON", "length": len(body)}
    return envelope.evidence()


def read_rows(value: object) -> Rows | None:
    """Return a list of objects; None for anything else, a list with one other thing in it too."""
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        return None
    return tuple(value)


def read_text(value: object) -> str:
    """Return a short printable text; empty for null, "null", a missing or any other value."""
    text = value.strip() if isinstance(value, str) else ""
    # JSON can hold NUL and lone surrogates, which PostgreSQL cannot; neither is printable.
    usable = text.isprintable() and len(text) <= _FIELD_LENGTH and text.lower() != "null"
    return text if usable else ""


def read_reference(value: object) -> str:
    """Return one of Chapa's references, which go into paths again, or nothing."""
    text = read_text(value)
    return text if _REFERENCE.fullmatch(text) else ""


def read_currency(value: object) -> str:
    """Return a three-letter code, or nothing."""
    text = read_text(value)
    return text if _CURRENCY.fullmatch(text) else ""


def read_moment(value: object) -> datetime | None:
    """Return an aware moment as Chapa writes it (2023-02-02T07:05:23.000000Z), or None."""
    try:
        moment = datetime.fromisoformat(read_text(value))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def read_short_text(value: object) -> str:
    """Return a text for people, without what might be a person's; empty for anything else."""
    return _redacted(_flattened(value)) if isinstance(value, str) else ""


def read_number(value: object) -> Decimal | None:
    """Return the exact number, written as JSON number or as text; None for anything else."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = Decimal(value.strip())
    if not isinstance(value, Decimal) or value.adjusted() > _LARGEST_EXPONENT:
        return None
    exponent = value.as_tuple().exponent
    return value if isinstance(exponent, int) and exponent >= _SMALLEST_EXPONENT else None


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Which of two amounts counts is for nobody to choose."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _kept(data: Mapping[str, object]) -> Evidence:
    kept: Evidence = {name: read_text(data[name]) for name in _KEPT_TEXTS if name in data}
    for name in _KEPT_NUMBERS:
        if name in data:
            number = read_number(data[name])
            # What is not a number is shown as it came: it is why the answer was not understood.
            kept[name] = read_text(data[name]) if number is None else f"{number:f}"
    return kept


def _flattened(message: object, depth: int = 3) -> str:
    match message:
        case str():
            return "" if message.strip().lower() == "null" else message
        case Decimal():
            return str(message)
        case list() if depth:
            return ", ".join(_flattened(part, depth - 1) for part in message[:20])
        case dict() if depth:
            parts = islice(message.items(), 20)
            return "; ".join(f"{name}: {_flattened(part, depth - 1)}" for name, part in parts)
        case _:
            return ""


def _redacted(message: str) -> str:
    # Cut first: the pattern is slow on megabytes.
    printable = "".join(c if c.isprintable() else " " for c in message[: 4 * _MESSAGE_LENGTH])
    straight = printable.replace("\u2019", "'")
    return " ".join(_PERSONAL.sub("[removed]", straight).split())[:_MESSAGE_LENGTH]
