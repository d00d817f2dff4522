"""A body within a limit, whatever its headers say."""

import io

import pytest
from django.test import RequestFactory

from core.bodies import BodyEncoded, BodyIncomplete, BodyTooLarge, read_body
from core.errors import Refusal

LIMIT = 10


class Breaking(io.BytesIO):
    """As a server's stream when the client is gone, or its chunks are malformed."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise ConnectionResetError


def read(stream: io.BytesIO, headers: dict[str, str] | None = None, *, ends: bool = True) -> bytes:
    request = RequestFactory().generic("POST", "/")
    for name in ("CONTENT_LENGTH", "CONTENT_TYPE"):
        request.META.pop(name, None)
    request.META |= {"wsgi.input": stream, "wsgi.input_terminated": ends}
    request.META |= headers or {}
    return read_body(request, at_most=LIMIT)


@pytest.mark.parametrize("length", [0, 1, LIMIT])
def test_it_is_read_by_its_length_or_to_its_end(length: int) -> None:
    body = b"x" * length

    assert read(io.BytesIO(body + b"more"), {"CONTENT_LENGTH": str(length)}) == body
    assert read(io.BytesIO(body)) == body
    assert read(io.BytesIO(body), {"HTTP_CONTENT_ENCODING": "Identity"}) == body


def test_no_end_and_no_length_is_no_body() -> None:
    assert read(io.BytesIO(b"next request"), ends=False) == b""


@pytest.mark.parametrize(
    ("stream", "headers", "refusal"),
    [
        # Not read: a stream that is touched raises.
        (Breaking(), {"CONTENT_LENGTH": "11"}, BodyTooLarge),
        (Breaking(), {"CONTENT_LENGTH": "9" * 18}, BodyTooLarge),
        (Breaking(), {"CONTENT_LENGTH": "-1"}, BodyIncomplete),
        (Breaking(), {"CONTENT_LENGTH": "+1"}, BodyIncomplete),
        (Breaking(), {"CONTENT_LENGTH": "1_0"}, BodyIncomplete),
        (Breaking(), {"CONTENT_LENGTH": "1, 1"}, BodyIncomplete),
        (Breaking(), {"CONTENT_LENGTH": "\u0661"}, BodyIncomplete),
        (Breaking(), {"CONTENT_LENGTH": "9" * 5000}, BodyIncomplete),
        (Breaking(), {"HTTP_CONTENT_ENCODING": "gzip"}, BodyEncoded),
        (Breaking(), {"HTTP_CONTENT_ENCODING": "identity, br"}, BodyEncoded),
        (Breaking(), {"HTTP_CONTENT_ENCODING": ""}, BodyEncoded),
        (io.BytesIO(b"x" * 11), {}, BodyTooLarge),
        (io.BytesIO(b"short"), {"CONTENT_LENGTH": "6"}, BodyIncomplete),
        (Breaking(), {"CONTENT_LENGTH": "6"}, BodyIncomplete),
        (Breaking(), {}, BodyIncomplete),
    ],
)
def test_anything_else_is_refused(
    stream: io.BytesIO, headers: dict[str, str], refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        read(stream, headers)


def test_of_an_endless_body_one_byte_too_many_is_read() -> None:
    stream = io.BytesIO(b"x" * 1000)

    with pytest.raises(BodyTooLarge):
        read(stream)

    assert stream.tell() == LIMIT + 1
