"""Every trouble that the local Chapa can make, and what must be seen of Guzo under it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from payments.chapa.sandbox.faults import CHOICES


@dataclass(frozen=True)
class Told:
    """What the client of our API gets: HTTP status, code, Retry-After."""

    http_status: int
    code: str | None = None
    retry_after: str | None = None


@dataclass(frozen=True)
class State:
    """How things stand; of several payments the oldest is first."""

    booking: str
    payments: tuple[str, ...]
    ledger: tuple[str, ...] = ()
    refund: str = ""
    statement: str = ""


@dataclass(frozen=True)
class Expected:
    """
    What a case must show.

    `heard`: what Guzo makes of the answer, or what came in and how it was answered. `then`: how
    things stand in the trouble, `ends`: once it is over. Both are None where nothing in Guzo asks.
    """

    heard: str
    told: Told | None = None
    then: State | None = None
    ends: State | None = None


@dataclass(frozen=True)
class Case:
    """
    A switch in a position. `effect`: whether Chapa carries the call out all the same; None where
    there is nothing to carry out. A position that no switch has is something that happened before.
    """

    switch: str
    position: str
    effect: bool | None
    expected: Expected

    @property
    def turned(self) -> dict[str, str]:
        return {self.switch: self.position} if self.position in CHOICES[self.switch] else {}

    def __str__(self) -> str:
        carried_out = {True: " carried out", False: " not carried out", None: ""}[self.effect]
        return f"{self.switch} {self.position}{carried_out}"


YES, NO, EITHER, NOTHING_TO_DO = (True,), (False,), (False, True), (None,)


def _cases(
    switch: str, effects: Iterable[bool | None], expected: Expected, *positions: str
) -> list[Case]:
    return [
        Case(switch, position, effect, expected) for position in positions for effect in effects
    ]


_CAME = "capture 3700.00 ETB"
_SENT_BACK = (_CAME, "refund 3700.00 ETB")
_OPEN = State("held", ("pending",))
_GIVEN_UP = State("held", ("failed",))
PAID = State("confirmed", ("succeeded",), (_CAME,))
_PAID_ANEW = State("confirmed", ("failed", "succeeded"), (_CAME,))

_LEFT_OPEN = Expected("unknown", Told(202, None, "3"), _OPEN, PAID)
_USED = Expected("used_before", Told(202, None, "3"), _OPEN, PAID)
_KEY_REFUSED = Expected("config_error", Told(503, "gateway_unavailable", "30"), _OPEN, PAID)
_REFUSED = Told(502, "gateway_refused")

INITIALIZE = [
    *_cases("initialize", YES, Expected("opened", Told(201), _OPEN, PAID), "ok"),
    *_cases("initialize", EITHER, _LEFT_OPEN, "500", "502", "html", "403", "429", "429 later"),
    *_cases("initialize", EITHER, _LEFT_OPEN, "empty", "null", "timeout", "half", "drip", "huge"),
    *_cases("initialize", EITHER, _LEFT_OPEN, "redirect", "sentence"),
    *_cases("initialize", YES, _LEFT_OPEN, "lose", "elsewhere", "userinfo", "script"),
    *_cases("initialize", EITHER, _USED, "used"),
    *_cases("initialize", EITHER, _KEY_REFUSED, "401", "inactive"),
    *_cases("initialize", NO, Expected("refused", _REFUSED, _GIVEN_UP, _PAID_ANEW), "object"),
    *_cases("initialize", YES, Expected("refused", _REFUSED, _GIVEN_UP, PAID), "object"),
]

_SILENT = Told(503, "gateway_unavailable", "10")
_AS_IT_WAS = Told(200)


def _asked(heard: str, told: Told, then: State = _OPEN, ends: State = PAID) -> Expected:
    return Expected(heard, told, then, ends)


_TRANSIENT = _asked("transient", _SILENT)
_UNRECOGNISED = _asked("unrecognised", _SILENT)


def _in_review(amount: str) -> Expected:
    arrived = State("held", ("in_review",), (f"capture {amount}",))
    return _asked("paid", _AS_IT_WAS, arrived, arrived)


VERIFY = [
    *_cases("verify", NOTHING_TO_DO, _asked("paid", Told(200), PAID), "ok"),
    *_cases("verify", NOTHING_TO_DO, _TRANSIENT, "500", "502", "html", "403", "429", "429 later"),
    *_cases("verify", NOTHING_TO_DO, _TRANSIENT, "empty", "timeout", "half", "drip", "huge"),
    *_cases("verify", NOTHING_TO_DO, _TRANSIENT, "redirect"),
    *_cases("verify", NOTHING_TO_DO, _UNRECOGNISED, "null"),
    *_cases("verify", NOTHING_TO_DO, _asked("config_error", _SILENT), "401", "inactive"),
    *_cases("verify", NOTHING_TO_DO, _asked("pending", _AS_IT_WAS), "pending", "unpaid"),
    *_cases("verify", NOTHING_TO_DO, _asked("not_found", _AS_IT_WAS), "404"),
    *_cases("claim", NOTHING_TO_DO, _asked("paid", Told(200), PAID), "ok", "empty"),
    *_cases("claim", NOTHING_TO_DO, _in_review("3829.50 ETB"), "gross"),
    *_cases("claim", NOTHING_TO_DO, _in_review("1850.00 ETB"), "amount"),
    *_cases("claim", NOTHING_TO_DO, _in_review("3700.00 USD"), "currency"),
    *_cases("claim", NOTHING_TO_DO, _asked("paid", _AS_IT_WAS), "mode", "tx_ref"),
]

_HELD, _EXPIRED = _OPEN, State("expired", ("expired",))


def _closing(heard: str, then: State) -> Expected:
    return Expected(heard, None, then, PAID)


CANCEL = [
    *_cases("cancel", YES, _closing("closed", _EXPIRED), "ok"),
    # Success without data is how Chapa says that it closed a link.
    *_cases("cancel", EITHER, _closing("closed", _EXPIRED), "null"),
    *_cases("cancel", YES, _closing("already_closed", _EXPIRED), "closed before"),
    *_cases("cancel", NO, _closing("refused", PAID), "paid before"),
    *_cases("cancel", YES, _closing("closed", PAID), "race"),
    *_cases("cancel", EITHER, _closing("config_error", _HELD), "401", "inactive"),
    *_cases("cancel", EITHER, _closing("unknown", _HELD), "500", "502", "html", "403", "429"),
    *_cases("cancel", EITHER, _closing("unknown", _HELD), "429 later", "empty", "timeout"),
    *_cases("cancel", EITHER, _closing("unknown", _HELD), "half", "drip", "huge", "redirect"),
    *_cases("cancel", YES, _closing("unknown", _HELD), "lose"),
]


def _sent_back(refund: str, payment: str = "succeeded") -> State:
    ledger = _SENT_BACK if payment == "refunded" else (_CAME,)
    return State("cancelled", (payment,), ledger, refund)


_ORDERED, _SUBMITTED = _sent_back("requested"), _sent_back("submitted")
_OPEN_QUESTION, _BACK = _sent_back("unknown"), _sent_back("succeeded", "refunded")
_REFUSED_REFUND = _sent_back("failed refund_refused")
_NOT_IN_TEST_MODE = _sent_back("failed refund_refused_in_test_mode")
_BACK_TO_US = _sent_back("failed refund_reversed")
_TAKEN = Expected("accepted", None, _SUBMITTED, _BACK)
_PERHAPS, _LATER = ("unknown", None, _OPEN_QUESTION), ("unknown", None, _ORDERED)

REFUND = [
    *_cases("refund", YES, _TAKEN, "ok"),
    *(
        case
        for effect, ends in ((NO, _OPEN_QUESTION), (YES, _BACK))
        for case in (
            *_cases("refund", effect, Expected(*_PERHAPS, ends), "500", "502", "html", "403"),
            *_cases("refund", effect, Expected(*_PERHAPS, ends), "empty", "null", "timeout"),
            *_cases("refund", effect, Expected(*_PERHAPS, ends), "half", "drip", "huge"),
            *_cases("refund", effect, Expected(*_PERHAPS, ends), "redirect"),
        )
    ),
    *_cases("refund", YES, Expected(*_PERHAPS, _BACK), "lose"),
    *_cases("refund", NO, Expected(*_LATER, _BACK), "429", "429 later"),
    *_cases("refund", NO, Expected("config_error", None, _ORDERED, _BACK), "401", "inactive"),
    *_cases(
        "refund", NO, Expected("refused", None, _REFUSED_REFUND, _REFUSED_REFUND), "insufficient"
    ),
    *_cases("refund", YES, Expected("accepted", None, _SUBMITTED, _BACK), "no_ref_id"),
    *_cases("test_refunds", YES, _TAKEN, "on"),
    *_cases(
        "test_refunds",
        NO,
        Expected("refused_in_test_mode", None, _NOT_IN_TEST_MODE, _NOT_IN_TEST_MODE),
        "off",
    ),
]


def _looked(heard: str, then: State = _SUBMITTED) -> Expected:
    return Expected(heard, None, then, _BACK)


VERIFY_REFUND = [
    *_cases("verify_refund", NOTHING_TO_DO, _looked("refunded", _BACK), "ok"),
    *_cases("verify_refund", NOTHING_TO_DO, _looked("transient"), "500", "502", "html", "403"),
    *_cases("verify_refund", NOTHING_TO_DO, _looked("transient"), "429", "429 later", "empty"),
    *_cases(
        "verify_refund", NOTHING_TO_DO, _looked("transient"), "timeout", "half", "drip", "huge"
    ),
    *_cases("verify_refund", NOTHING_TO_DO, _looked("unrecognised"), "null"),
    *_cases("verify_refund", NOTHING_TO_DO, _looked("transient"), "redirect"),
    *_cases("verify_refund", NOTHING_TO_DO, _looked("config_error"), "401", "inactive"),
    *_cases("verify_refund", NOTHING_TO_DO, _looked("not_found"), "404"),
]
REFUND_END = [
    *_cases("refund_end", NOTHING_TO_DO, Expected("refunded", None, _SUBMITTED, _BACK), "refunded"),
    *_cases(
        "refund_end", NOTHING_TO_DO, Expected("reversed", None, _SUBMITTED, _BACK_TO_US), "reversed"
    ),
]


def _came_in(heard: str, then: State) -> Expected:
    return Expected(heard, None, then, PAID)


_SUCCESS, _FAILURE = "charge.success: 200", "charge.failed/cancelled: 200"
_NOTHING = "nothing"

SIGNALS = [
    *_cases("webhook", NOTHING_TO_DO, _came_in(_SUCCESS, PAID), "on", "escaped"),
    *_cases("webhook", NOTHING_TO_DO, _came_in(f"{_SUCCESS}, {_SUCCESS}", PAID), "duplicate"),
    *_cases("webhook", NOTHING_TO_DO, _came_in(f"{_SUCCESS}, {_FAILURE}", PAID), "reorder"),
    *_cases("webhook", NOTHING_TO_DO, _came_in("charge.success: 401", _OPEN), "forge", "constant"),
    *_cases("webhook", NOTHING_TO_DO, _came_in(_NOTHING, _OPEN), "off", "drop", "delay"),
    *_cases("callback", NOTHING_TO_DO, _came_in(_SUCCESS, PAID), "on"),
    *_cases("callback", NOTHING_TO_DO, _came_in(_NOTHING, _OPEN), "off", "drop"),
    *_cases("payment", NOTHING_TO_DO, _came_in(_SUCCESS, PAID), "ok"),
    *_cases("payment", NOTHING_TO_DO, _came_in(_FAILURE, _GIVEN_UP), "fail_first"),
    *_cases("payment", NOTHING_TO_DO, _came_in(_NOTHING, _OPEN), "late"),
]


def _listed(heard: str, statement: str) -> Expected:
    then, compared = (
        State(PAID.booking, PAID.payments, PAID.ledger, statement=each)
        for each in (statement, "compared")
    )
    return Expected(heard, None, then, compared)


_SPOILT = ("500", "502", "html", "403", "429", "429 later", "empty", "null")
_CUT = ("timeout", "half", "drip", "huge", "redirect")
_KEY = ("401", "inactive")

STATEMENT = [
    *_cases("transactions", NOTHING_TO_DO, _listed("answered", "compared"), "ok"),
    *_cases("transactions", NOTHING_TO_DO, _listed("unknown", "reading"), *_SPOILT, *_CUT),
    *_cases("transactions", NOTHING_TO_DO, _listed("config_error", "reading"), *_KEY),
]
LISTS = [
    case
    for switch in ("events", "balances")
    for case in (
        *_cases(switch, NOTHING_TO_DO, Expected("answered"), "ok"),
        *_cases(switch, NOTHING_TO_DO, Expected("unknown"), *_SPOILT, *_CUT),
        *_cases(switch, NOTHING_TO_DO, Expected("config_error"), *_KEY),
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
