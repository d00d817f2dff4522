"""What is said to Chapa and how its answers are read. Pure: no clock, no network."""

from payments.chapa.wire.answers import (
    Cancellation,
    Closing,
    Initialization,
    Opening,
    Outcome,
    Verification,
)
from payments.chapa.wire.keys import Mode, mode_of_key
from payments.chapa.wire.parsing import (
    parse_cancellation,
    parse_initialization,
    parse_verification,
)
from payments.chapa.wire.reading import Evidence
from payments.chapa.wire.request import CheckoutRequest, check_tx_ref

__all__ = [
    "Cancellation",
    "CheckoutRequest",
    "Closing",
    "Evidence",
    "Initialization",
    "Mode",
    "Opening",
    "Outcome",
    "Verification",
    "check_tx_ref",
    "mode_of_key",
    "parse_cancellation",
    "parse_initialization",
    "parse_verification",
]
