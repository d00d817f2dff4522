"""Every trouble that the local Chapa can make, and what must be seen of Guzo under it. Pure."""

from collections.abc import Iterable
from dataclasses import replace

from workers.tests.journeys.cases import Case, Expected, State, Told

_NOTHING_TO_DO, _YES, _NO, _EITHER = (None,), (True,), (False,), (False, True)

# Positions that several switches have.
_SILENCE = ("500", "502", "html", "403", "empty", "timeout", "half", "drip", "huge", "redirect")
_NOT_NOW = ("429", "429 later")
_NO_ANSWER = (*_SILENCE, *_NOT_NOW)
_KEY = ("401", "inactive")


def _cases(
    switch: str,
    expected: Expected,
    *positions: str,
    carried_out: Iterable[bool | None] = _NOTHING_TO_DO,
) -> list[Case]:
    return [
        Case(switch, position, effect, expected) for position in positions for effect in carried_out
    ]


_CAME = "capture 3700.00 ETB"
_OPEN = State("held", ("pending",))
_FAILED = State("held", ("failed",))
_PAID = State("confirmed", ("succeeded",), (_CAME,))
_PAID_ANEW = State("confirmed", ("failed", "succeeded"), (_CAME,))


_LEFT_OPEN = Told(202, None, "3")
_KEY_REFUSED = Told(503, "gateway_unavailable", "30")
_REFUSED = Told(502, "gateway_refused")
_NO_ANSWER_YET = Told(503, "gateway_unavailable", "10")


def _told(heard: str, told: Told, then: State = _OPEN, ends: State = _PAID) -> Expected:
    return Expected(heard, told, then, ends)


def _in_review(amount: str) -> Expected:
    arrived = State("held", ("in_review",), (f"capture {amount}",))
    return Expected("paid", Told(200), arrived, arrived)


INITIALIZE = [
    *_cases("initialize", _told("opened", Told(201)), "ok", carried_out=_YES),
    *_cases("initialize", _told("unknown", _LEFT_OPEN), *_NO_ANSWER, carried_out=_EITHER),
    *_cases("initialize", _told("unknown", _LEFT_OPEN), "null", "sentence", carried_out=_EITHER),
    *_cases("initialize", _told("unknown", _LEFT_OPEN), "lose", carried_out=_YES),
    *_cases("initialize", _told("unknown", _LEFT_OPEN), "elsewhere", carried_out=_YES),
    *_cases("initialize", _told("unknown", _LEFT_OPEN), "userinfo", "script", carried_out=_YES),
    *_cases("initialize", _told("used_before", _LEFT_OPEN), "used", carried_out=_EITHER),
    *_cases("initialize", _told("config_error", _KEY_REFUSED), *_KEY, carried_out=_EITHER),
    *_cases("initialize", _told("refused", _REFUSED, _FAILED), "object", carried_out=_YES),
    *_cases(
        "initialize", _told("refused", _REFUSED, _FAILED, _PAID_ANEW), "object", carried_out=_NO
    ),
]
VERIFY = [
    *_cases("verify", _told("paid", Told(200), _PAID), "ok"),
    *_cases("verify", _told("transient", _NO_ANSWER_YET), *_NO_ANSWER),
    *_cases("verify", _told("unrecognised", _NO_ANSWER_YET), "null"),
    *_cases("verify", _told("config_error", _NO_ANSWER_YET), *_KEY),
    *_cases("verify", _told("pending", Told(200)), "pending", "unpaid"),
    *_cases("verify", _told("not_found", Told(200)), "404"),
    *_cases("claim", _told("paid", Told(200), _PAID), "ok", "empty"),
    *_cases("claim", _in_review("3829.50 ETB"), "gross"),
    *_cases("claim", _in_review("1850.00 ETB"), "amount"),
    *_cases("claim", _in_review("3700.00 USD"), "currency"),
    *_cases("claim", _told("paid", Told(200)), "mode", "tx_ref"),
    *_cases("amount", _told("paid", Told(200), _PAID), "3700"),
    *_cases("amount", _in_review("3699.99 ETB"), "3699.99"),
    *_cases("amount", _in_review("3700.01 ETB"), "3700.01"),
    *_cases("amount", _in_review("3700.00 ETB"), "3700.001"),
    *_cases("amount", _told("unrecognised", _NO_ANSWER_YET), "0", "-3700"),
    *_cases("latency_s", _told("paid", Told(200), _PAID), "0", "0.1"),
    *_cases("latency_s", _told("transient", _NO_ANSWER_YET), "1"),
]


def _untold(heard: str, then: State, ends: State = _PAID) -> Expected:
    return Expected(heard, None, then, ends)


_EXPIRED = State("expired", ("expired",))

CANCEL = [
    *_cases("cancel", _untold("closed", _EXPIRED), "ok", carried_out=_YES),
    # Success without data is how Chapa says that it closed a link.
    *_cases("cancel", _untold("closed", _EXPIRED), "null", carried_out=_EITHER),
    *_cases("cancel", _untold("already_closed", _EXPIRED), "closed before", carried_out=_YES),
    *_cases("cancel", _untold("refused", _PAID), "paid before", carried_out=_NO),
    *_cases("cancel", _untold("closed", _PAID), "race", carried_out=_YES),
    *_cases("cancel", _untold("config_error", _OPEN), *_KEY, carried_out=_EITHER),
    *_cases("cancel", _untold("unknown", _OPEN), *_NO_ANSWER, carried_out=_EITHER),
    *_cases("cancel", _untold("unknown", _OPEN), "lose", carried_out=_YES),
]


def _ordered(*refunds: str, gone: bool = False) -> State:
    ledger = (_CAME, "refund 3700.00 ETB") if gone else (_CAME,)
    return State("cancelled", ("refunded" if gone else "succeeded",), ledger, refunds)


_REQUESTED, _SUBMITTED, _UNKNOWN = (
    _ordered(state) for state in ("requested", "submitted", "unknown")
)
_BACK = _ordered("succeeded", gone=True)
_REFUND_REFUSED = _ordered("failed refund_refused")
_GONE_ALL_THE_SAME = _ordered("failed refund_refused", "succeeded", gone=True)
_IN_TEST_MODE = _ordered("failed refund_refused_in_test_mode")
_BACK_WITH_US = _ordered("failed refund_reversed")

_TAKEN = _untold("accepted", _SUBMITTED, _BACK)
_NEVER_KNOWN = _untold("unknown", _UNKNOWN, _ordered("unknown no_end"))
_FOUND_OUT = _untold("unknown", _UNKNOWN, _BACK)

REFUND = [
    *_cases("refund", _TAKEN, "ok", "no_ref_id", carried_out=_YES),
    *_cases("refund", _NEVER_KNOWN, *_SILENCE, "null", carried_out=_NO),
    *_cases("refund", _FOUND_OUT, *_SILENCE, "null", "lose", carried_out=_YES),
    *_cases("refund", _untold("unknown", _REQUESTED, _BACK), *_NOT_NOW, carried_out=_EITHER),
    *_cases("refund", _untold("config_error", _REQUESTED, _BACK), *_KEY, carried_out=_EITHER),
    *_cases(
        "refund",
        _untold("refused", _REFUND_REFUSED, _REFUND_REFUSED),
        "insufficient",
        carried_out=_NO,
    ),
    *_cases(
        "refund",
        _untold("refused", _REFUND_REFUSED, _GONE_ALL_THE_SAME),
        "insufficient",
        carried_out=_YES,
    ),
    *_cases("test_refunds", _TAKEN, "on"),
    *_cases("test_refunds", _untold("refused_in_test_mode", _IN_TEST_MODE, _IN_TEST_MODE), "off"),
]
VERIFY_REFUND = [
    *_cases("verify_refund", _untold("refunded", _BACK, _BACK), "ok"),
    *_cases("verify_refund", _untold("transient", _SUBMITTED, _BACK), *_NO_ANSWER),
    *_cases("verify_refund", _untold("unrecognised", _SUBMITTED, _BACK), "null"),
    *_cases("verify_refund", _untold("config_error", _SUBMITTED, _BACK), *_KEY),
    *_cases("verify_refund", _untold("not_found", _SUBMITTED, _BACK), "404"),
]
REFUND_END = [
    *_cases("refund_end", _untold("refunded", _SUBMITTED, _BACK), "refunded"),
    *_cases("refund_end", _untold("reversed", _SUBMITTED, _BACK_WITH_US), "reversed"),
]

_SUCCESS, _FAILURE = "charge.success: 200", "charge.failed/cancelled: 200"

SIGNALS = [
    *_cases("webhook", _untold(_SUCCESS, _PAID), "on", "escaped"),
    *_cases("webhook", _untold(f"{_SUCCESS}, {_SUCCESS}", _PAID), "duplicate"),
    *_cases("webhook", _untold(f"{_SUCCESS}, {_FAILURE}", _PAID), "reorder"),
    *_cases("webhook", _untold("charge.success: 401", _OPEN), "forge", "constant"),
    *_cases("webhook", _untold("nothing", _OPEN), "off", "drop", "delay"),
    *_cases("callback", _untold("callback: 200", _PAID), "on"),
    *_cases("callback", _untold("nothing", _OPEN), "off", "drop"),
    *_cases("payment", _untold(_SUCCESS, _PAID), "ok"),
    *_cases("payment", _untold(_FAILURE, _FAILED), "fail_first"),
    *_cases("payment", _untold("nothing", _OPEN), "late"),
]

_READING, _COMPARED = (replace(_PAID, statement=state) for state in ("reading", "compared"))

STATEMENT = [
    *_cases("transactions", _untold("answered", _COMPARED, _COMPARED), "ok"),
    *_cases("transactions", _untold("unknown", _READING, _COMPARED), *_NO_ANSWER, "null"),
    *_cases("transactions", _untold("config_error", _READING, _COMPARED), *_KEY),
]
LISTS = [
    case
    for switch in ("events", "balances")
    for case in (
        *_cases(switch, Expected("answered"), "ok"),
        *_cases(switch, Expected("unknown"), *_NO_ANSWER, "null"),
        *_cases(switch, Expected("config_error"), *_KEY),
    )
]

CASES = [
    *INITIALIZE,
    *VERIFY,
    *CANCEL,
    *REFUND,
    *VERIFY_REFUND,
    *REFUND_END,
    *SIGNALS,
    *STATEMENT,
    *LISTS,
]

#: What happens in the cases of each switch.
STORIES = {
    "initialize": "A payment is started. Then the trouble is over, and the page that Chapa opened "
    "unseen is paid, or else the one that the next start gives.",
    "verify": "A payment is paid, nobody tells of it, and the client asks: `POST …/verify`. "
    "Then comes the sweep.",
    "claim": "The same, with Chapa saying otherwise of the payment than is true.",
    "amount": "The same, with this amount said of the 3700 ETB that were paid. Any number will do.",
    "latency_s": "The same, with answers that come so many seconds late, to a client that waits "
    "for half a second (ours waits for ten).",
    "cancel": "A hold ends unpaid, and its link is closed. A payment that was under way arrives "
    "afterwards, if none did before.",
    "refund": "Money comes for a booking that was cancelled, and is ordered back. "
    "Chapa ends what it took, and Guzo looks for eleven days.",
    "test_refunds": "The same, with a test key.",
    "verify_refund": "Chapa took such an order and ended it. Guzo asks how far it is, "
    "and again on later days.",
    "refund_end": "The same, with the end that the switch says.",
    "webhook": "A payment is paid, and Chapa tells of it by webhook alone. A minute later "
    "comes the sweep.",
    "callback": "The same, by callback alone: it makes the next look an early one.",
    "payment": "The same, by webhook, of a payment that goes another way.",
    "transactions": "A day is compared with Chapa's list while the trouble lasts, "
    "and once more afterwards.",
    "events": "Nothing in Guzo asks for them; the client answers so.",
    "balances": "The same.",
}
