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
from payments.chapa.wire.listings import (
    Balances,
    Fetched,
    ListedTransaction,
    TransactionEvent,
    TransactionEvents,
    TransactionPage,
    parse_balances,
    parse_transaction_events,
    parse_transaction_page,
)
from payments.chapa.wire.parsing import (
    parse_cancellation,
    parse_initialization,
    parse_verification,
)
from payments.chapa.wire.reading import Evidence
from payments.chapa.wire.refunds import (
    RefundProgress,
    RefundSubmission,
    RefundSubmitted,
    RefundVerification,
    parse_refund_submission,
    parse_refund_verification,
    recall_refund_submission,
)
from payments.chapa.wire.request import (
    CURRENCIES,
    LARGEST_AMOUNT,
    CheckoutRequest,
    check_reference,
    check_tx_ref,
    refund_form,
)

__all__ = [
    "CURRENCIES",
    "LARGEST_AMOUNT",
    "Balances",
    "Cancellation",
    "CheckoutRequest",
    "Closing",
    "Evidence",
    "Fetched",
    "Initialization",
    "ListedTransaction",
    "Mode",
    "Opening",
    "Outcome",
    "RefundProgress",
    "RefundSubmission",
    "RefundSubmitted",
    "RefundVerification",
    "TransactionEvent",
    "TransactionEvents",
    "TransactionPage",
    "Verification",
    "check_reference",
    "check_tx_ref",
    "mode_of_key",
    "parse_balances",
    "parse_cancellation",
    "parse_initialization",
    "parse_refund_submission",
    "parse_refund_verification",
    "parse_transaction_events",
    "parse_transaction_page",
    "parse_verification",
    "recall_refund_submission",
    "refund_form",
]
