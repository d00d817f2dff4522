"""
Refusals: what a service raises when it will not do what it was asked.

A refusal is an answer, not a bug. Its kind decides the HTTP status, its `code` is stable and part
of the contract; `core/problems.py` says both over HTTP.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar


class Refusal(Exception):
    """
    The docstring of each refusal is its title; `detail` is for whoever must act on it.

    `pointers` say what is wrong where, with one complaint or several: `{"/check_in": "…"}`.
    """

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]

    def __init_subclass__(cls) -> None:
        cls.title = " ".join((cls.__doc__ or cls.code).split()).rstrip(".")

    def __init__(
        self,
        detail: str = "",
        *,
        pointers: Mapping[str, str | list[str]] | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointers = pointers or {}
        self.retry_after = retry_after


class Invalid(Refusal):
    """The request is not valid."""

    code = "invalid"
    status = 400


class ReasonMissing(Invalid):
    """A reason is needed."""

    code = "reason_missing"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, pointers={"/reason": detail})


def read_reason(written: str) -> str:
    """:raises ReasonMissing: if nothing is written."""
    if not (reason := written.strip()):
        raise ReasonMissing("Say why.")
    return reason


class NotFound(Refusal):
    """There is no such thing here."""

    code = "not_found"
    status = 404


class Conflict(Refusal):
    """The present state does not allow this."""

    code = "conflict"
    status = 409


class Unprocessable(Refusal):
    """The request contradicts an earlier one."""

    code = "unprocessable"
    status = 422


class TooMany(Refusal):
    """Too many requests."""

    code = "throttled"
    status = 429


class BadGateway(Refusal):
    """Someone we depend on refused."""

    code = "bad_gateway"
    status = 502


class Unavailable(Refusal):
    """Someone we depend on does not answer."""

    code = "unavailable"
    status = 503
