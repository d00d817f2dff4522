"""What `initialize` takes and how it complains. Pure. Sources: docs/chapa.md, "Initialize"."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from urllib.parse import urlsplit

from payments.chapa.sandbox.transactions import Transaction
from payments.chapa.wire import Mode

CURRENCIES = ("ETB", "USD")
Complaints = dict[str, list[str]]

_LARGEST_AMOUNT = Decimal(1_000_000)
_SMALLEST_AMOUNT = Decimal(1)
_NUMERIC = re.compile(r"\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\s*")
_PHONE = re.compile(r"0[79][0-9]{8}")
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_TEXT = re.compile(r"[A-Za-z0-9_. -]*")
_NESTED_NAME = re.compile(r"(?P<outer>\w+)\[(?P<inner>\w+)\]")
# Stands for the look into the DNS that Chapa seems to take.
_DOMAINS_WITHOUT_MAIL = re.compile(
    r"(.*\.)?(example\.(com|net|org)|(test|invalid|fake)\.com|"
    r"[^.]+\.(test|invalid|local|localhost|example))"
)
_LENGTHS = {"customization.title": 16, "customization.description": 50}


def nest(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Return fields whose names may be written `customization[title]` as nested objects."""
    fields: dict[str, object] = {}
    for name, value in pairs:
        found = _NESTED_NAME.fullmatch(name)
        if not found:
            fields[name] = value
            continue
        inner = fields.setdefault(found["outer"], {})
        if isinstance(inner, dict):
            inner[found["inner"]] = value
    return fields


def find_complaints(fields: Mapping[str, object]) -> Complaints:
    """Return everything wrong with a request, field by field; empty if it will do."""
    found = {
        "amount": _amount_complaint(fields.get("amount")),
        "currency": "" if text_of(fields.get("currency")) else "validation.required",
        "tx_ref": _tx_ref_complaint(text_of(fields.get("tx_ref"))),
        "email": _email_complaint(text_of(fields.get("email"))),
        "phone_number": _phone_complaint(text_of(fields.get("phone_number"))),
        "callback_url": _url_complaint(text_of(fields.get("callback_url"))),
        "return_url": _url_complaint(text_of(fields.get("return_url"))),
    }
    for name, length in _LENGTHS.items():
        found[name] = _text_complaint(name, _custom(fields, name.split(".")[1]), length)
    return {name: [complaint] for name, complaint in found.items() if complaint}


def open_transaction(fields: Mapping[str, object], *, mode: Mode, at: datetime) -> Transaction:
    """Return the transaction that a request without complaints opens."""
    meta = fields.get("meta")
    return Transaction(
        tx_ref=text_of(fields.get("tx_ref")),
        mode=mode,
        amount=Decimal(text_of(fields.get("amount")).strip()),
        currency=text_of(fields.get("currency")),
        first_name=text_of(fields.get("first_name")) or None,
        last_name=text_of(fields.get("last_name")) or None,
        email=text_of(fields.get("email")) or None,
        phone_number=text_of(fields.get("phone_number")) or None,
        callback_url=text_of(fields.get("callback_url")) or None,
        return_url=text_of(fields.get("return_url")) or None,
        title=_custom(fields, "title") or None,
        description=_custom(fields, "description") or None,
        logo=_custom(fields, "logo") or None,
        meta=meta if isinstance(meta, dict) and meta else None,
        created_at=at,
        updated_at=at,
    )


def text_of(value: object) -> str:
    """Return a text or a number as text; nothing of anything else."""
    return str(value) if isinstance(value, str | Decimal) else ""


def is_numeric(value: object) -> bool:
    """Return whether Chapa takes this for an amount."""
    return _NUMERIC.fullmatch(text_of(value)) is not None


def _custom(fields: Mapping[str, object], name: str) -> str:
    customization = fields.get("customization")
    return text_of(customization.get(name)) if isinstance(customization, dict) else ""


def _amount_complaint(value: object) -> str:
    if value is None or value == "":
        return "validation.required"
    if not is_numeric(value):
        return "validation.numeric"
    amount = Decimal(text_of(value).strip())
    if amount < _SMALLEST_AMOUNT:
        return "validation.min.numeric"
    return "The amount must not exceed 1000000." if amount > _LARGEST_AMOUNT else ""


def _tx_ref_complaint(tx_ref: str) -> str:
    if not tx_ref:
        return "validation.required"
    return "The tx ref must not exceed 50 characters." if len(tx_ref) > 50 else ""


def _email_complaint(email: str) -> str:
    if not email:
        return ""
    deliverable = not _DOMAINS_WITHOUT_MAIL.fullmatch(email.rpartition("@")[2].lower())
    return "" if _EMAIL.fullmatch(email) and deliverable else "validation.email"


def _phone_complaint(phone_number: str) -> str:
    return "" if not phone_number or _PHONE.fullmatch(phone_number) else "validation.phone_number"


def _url_complaint(url: str) -> str:
    try:
        well_formed = not url or urlsplit(url).scheme in ("http", "https")
    except ValueError:
        well_formed = False
    return "" if well_formed else "validation.url"


def _text_complaint(name: str, text: str, length: int) -> str:
    if len(text) > length:
        return f"The {name} must not exceed {length} characters."
    kinds = "letters, numbers, hyphens, underscores, spaces, and dots"
    return "" if _TEXT.fullmatch(text) else f"The {name} may only contain {kinds}."
