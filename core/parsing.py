import json
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from core.bodies import read_body
from core.strict_json import refuse_constant, refuse_duplicates


class JSONBody(BaseParser):
    """
    JSON as RFC 8259 has it, UTF-8 and without surprises.

    Refused beside what is no JSON: NaN and its kin, a member named twice (which of the two was
    meant?), a number beyond what a float holds, and a nesting without end.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        assert parser_context is not None
        body = read_body(parser_context["request"], at_most=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        try:
            return json.loads(
                body.decode("utf-8"),
                object_pairs_hook=refuse_duplicates,
                parse_constant=refuse_constant,
                parse_float=_finite,
            )
        except (ValueError, RecursionError):
            raise ParseError from None


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError
    return number
