from io import BytesIO
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class JSONBody(JSONParser):
    """
    JSON of at most DATA_UPLOAD_MAX_MEMORY_SIZE.

    DRF's own reads the stream past that limit, and fails on nesting that no request of ours has.
    """

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Any = None,
    ) -> Any:
        """:raises RequestDataTooBig: if the request says that it is longer."""
        body = parser_context["request"].body
        try:
            return super().parse(BytesIO(body), media_type, parser_context)
        except RecursionError:
            raise ParseError from None
