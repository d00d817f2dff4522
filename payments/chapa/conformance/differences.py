"""What is not as documented in an answer. Pure."""

import json
from dataclasses import dataclass
from decimal import Decimal

from payments.chapa.conformance.questions import Question
from payments.chapa.transport import Answer
from payments.chapa.wire.reading import read_envelope

# What is in these is the merchant's own.
_FREE_FORM = ("data.customization", "data.meta")
_DEEPEST = 3
_SHOWN_LENGTH = 80


@dataclass(frozen=True)
class Difference:
    question: str
    what: str
    documented: str
    seen: str


def find_differences(question: Question, answer: Answer) -> list[Difference]:
    """Compare one answer with what is documented; of a member only its kind is shown."""
    expected, envelope = question.expected, read_envelope(answer.body)
    compared = [
        ("HTTP status", str(expected.http_status), str(answer.http_status)),
        ("status says", expected.status, envelope.status if envelope else "not JSON"),
        ("message says", expected.message, envelope.message if envelope else "not JSON"),
        ("Guzo reads it as", expected.reading, question.read(answer.http_status, answer.body)),
    ]
    found = [row for row in compared if _loosely(row[1]) != _loosely(row[2])]
    seen = {} if envelope is None else kinds_of(_loaded(answer.body))
    for path in sorted({*expected.kinds, *seen}):
        allowed, kind = expected.kinds.get(path, ("absent",)), seen.get(path, "absent")
        if envelope is not None and kind not in allowed:
            found.append((path, " or ".join(allowed), kind))
    return [Difference(question.name, *row) for row in found]


def kinds_of(value: object, path: str = "") -> dict[str, str]:
    """Return the JSON kind of every member of a value, by dotted path of up to three names."""
    leads_on = path not in _FREE_FORM and path.count(".") < _DEEPEST - 1
    if isinstance(value, dict) and value and leads_on:
        inner = [kinds_of(member, f"{path}.{name}".lstrip(".")) for name, member in value.items()]
        return {name: kind for found in inner for name, kind in found.items()}
    match value:
        case None:
            return {path: "null"}
        case bool():
            return {path: "boolean"}
        case Decimal():
            return {path: "number"}
        case str():
            return {path: "text"}
        case list():
            return {path: "list"}
    return {path: "object"}


def as_table(differences: list[Difference]) -> str:
    """Return lines of equal columns under a heading; a long sentence is cut."""
    heading = ("CALL", "WHAT", "DOCUMENTED", "SEEN")
    rows = [heading]
    for each in differences:
        rows.append((each.question, each.what, each.documented, each.seen[:_SHOWN_LENGTH]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(heading) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    )


def _loaded(body: bytes) -> object:
    """Digits of any number must not make it raise."""
    return json.loads(body, parse_int=Decimal, parse_float=Decimal)


def _loosely(said: str) -> str:
    return " ".join(said.lower().split()).rstrip(". ")
