"""Read a request's body within a limit, whatever its headers say about it."""

import re

from django.http import HttpRequest

from core.errors import Invalid, Refusal

_DIGITS = re.compile(r"[0-9]{1,18}", re.ASCII)


class BodyTooLarge(Refusal):
    """The request is too large."""

    code = "too_large"
    status = 413


class BodyEncoded(Refusal):
    """Only JSON is understood."""

    code = "unsupported_media_type"
    status = 415


class BodyIncomplete(Invalid):
    """The request is not valid."""


def read_body(request: HttpRequest, *, at_most: int) -> bytes:
    """
    Return the bytes as they came, chunked ones too, which Django itself takes for an empty body.

    Nothing is read of a body whose length says that it is too large, and of no body more than one
    byte beyond the limit.

    :raises BodyTooLarge: if there are more bytes.
    :raises BodyEncoded: if they are compressed.
    :raises BodyIncomplete: if Content-Length is no number, or fewer bytes came than it says.
    """
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() != "identity":
        raise BodyEncoded("Send it without Content-Encoding.")
    stated = request.META.get("CONTENT_LENGTH") or None
    if stated is not None and not _DIGITS.fullmatch(stated):
        raise BodyIncomplete("Content-Length is not a number.")
    # Without a length the server must know where the body ends, or reading would wait for ever.
    ends = request.META.get("wsgi.input_terminated", False)
    length = int(stated) if stated is not None else at_most + 1 if ends else 0
    if length > at_most and stated is not None:
        raise BodyTooLarge(f"At most {at_most} bytes.")
    try:
        body = bytes(request.META["wsgi.input"].read(length))
    except Exception as broken:  # (the server's own kinds, when chunks are malformed)
        raise BodyIncomplete("The body broke off.") from broken
    if len(body) > at_most:
        raise BodyTooLarge(f"At most {at_most} bytes.")
    if stated is not None and len(body) < length:
        raise BodyIncomplete("The body is shorter than its Content-Length.")
    return body
