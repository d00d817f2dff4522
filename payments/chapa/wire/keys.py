"""Secret keys and the mode that each selects. Pure."""

import re
from enum import StrEnum

_SECRET_KEY = re.compile(r"CHASECK(?P<test>_TEST)?-[A-Za-z0-9]+")
_V2_PREFIXES = ("CHAPA_TEST_", "CHAPA_LIVE_")


class Mode(StrEnum):
    """Whether money moves. The key alone decides: both modes share one host."""

    TEST = "test"
    LIVE = "live"


def mode_of_key(secret_key: str) -> Mode:
    """
    Return the mode that a Chapa v1 secret key selects.

    :raises ValueError: if this is not a v1 secret key; the text never repeats the key.
    """
    if found := _SECRET_KEY.fullmatch(secret_key):
        return Mode.TEST if found["test"] else Mode.LIVE
    if secret_key.startswith(_V2_PREFIXES):
        raise ValueError(
            "this is a Chapa v2 key (CHAPA_TEST_... or CHAPA_LIVE_...), which the v1 API refuses; "
            "use the v1 secret key (CHASECK_TEST-... or CHASECK-...)"
        )
    if secret_key.startswith("CHAPUBK"):
        raise ValueError("this is a Chapa public key; use the secret key (CHASECK...)")
    raise ValueError(
        "not a Chapa v1 secret key: it must be CHASECK_TEST- or CHASECK- followed by "
        "letters and digits"
    )
