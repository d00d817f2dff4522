"""How often something may happen. Pure."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

_UNITS = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1)}
_RATE = re.compile(r"(?P<times>[1-9][0-9]{0,8})/(?P<length>[1-9][0-9]{0,3})(?P<unit>[smh])")


@dataclass(frozen=True)
class Rate:
    """`times` at once, and then again one every `per / times`."""

    times: int
    per: timedelta

    @classmethod
    def parse(cls, text: str) -> Self:
        """:raises ValueError: if it is not like 60/10m: a number, a slash, a time in s, m or h."""
        found = _RATE.fullmatch(text)
        if found is None:
            raise ValueError(f"expected a rate like 60/10m, with s, m or h, not {text!r}")
        return cls(int(found["times"]), int(found["length"]) * _UNITS[found["unit"]])
