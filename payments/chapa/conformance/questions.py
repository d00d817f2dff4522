"""What is asked of Chapa to hold its answers against the documentation. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from payments.chapa.conformance import documented
from payments.chapa.conformance.documented import Documented
from payments.chapa.wire import (
    CheckoutRequest,
    parse_cancellation,
    parse_initialization,
    parse_verification,
)


@dataclass(frozen=True, kw_only=True)
class Question:
    """One call, what is documented of its answer, and how Guzo reads it."""

    name: str
    method: str
    path: str
    payload: Mapping[str, object] | None = None
    expected: Documented
    read: Callable[[int, bytes], str]


@dataclass(frozen=True, kw_only=True)
class Questions:
    """
    All that is asked about one checkout, in the order in which it makes sense.

    What should be refused has a reference of its own, in case it is not. `checkout_hosts` are where
    a checkout may be.
    """

    tx_ref: str
    checkout_hosts: tuple[str, ...]
    allow_http: bool

    def __iter__(self) -> Iterator[Question]:
        yield self._opening("a new reference", documented.OPENED)
        yield self._opening("the same reference again", documented.USED_BEFORE)
        yield self._refused("no amount", documented.NOTHING_TO_PAY, amount="0")
        yield self._refused("over a million", documented.TOO_MUCH_TO_PAY, amount="1000000.01")
        yield self._refused(
            "a reference of 51", documented.REFERENCE_TOO_LONG, tx_ref=self.tx_ref.ljust(51, "x")
        )
        yield self._refused("another currency", documented.UNKNOWN_CURRENCY, currency="XYZ")
        yield self._asking("unpaid", documented.UNPAID, self.tx_ref)
        yield self._asking("never opened", documented.UNKNOWN_PAYMENT, self._never_opened)
        yield self._closing("never opened", documented.UNKNOWN_LINK, self._never_opened)
        yield self._closing("open", documented.CLOSED, self.tx_ref)
        yield self._closing("closed before", documented.ALREADY_CLOSED, self.tx_ref)
        yield self._asking("closed", documented.UNPAID, self.tx_ref)

    @property
    def _never_opened(self) -> str:
        return f"{self.tx_ref}-never"

    def _opening(self, name: str, expected: Documented, **changes: str) -> Question:
        return Question(
            name=f"initialize, {name}",
            method="POST",
            path="/transaction/initialize",
            payload=_checkout(self.tx_ref) | changes,
            expected=expected,
            read=self._read_opening,
        )

    def _refused(self, name: str, expected: Documented, **changes: str) -> Question:
        own_reference = {"tx_ref": f"{self.tx_ref}-{name.replace(' ', '_')}"}
        return self._opening(name, expected, **(own_reference | changes))

    def _asking(self, name: str, expected: Documented, tx_ref: str) -> Question:
        return Question(
            name=f"verify, {name}",
            method="GET",
            path=f"/transaction/verify/{tx_ref}",
            expected=expected,
            read=lambda http_status, body: parse_verification(http_status, body).outcome,
        )

    def _closing(self, name: str, expected: Documented, tx_ref: str) -> Question:
        return Question(
            name=f"cancel, {name}",
            method="PUT",
            path=f"/transaction/cancel/{tx_ref}",
            expected=expected,
            read=lambda http_status, body: parse_cancellation(http_status, body).closing,
        )

    def _read_opening(self, http_status: int, body: bytes) -> str:
        answer = parse_initialization(
            http_status, body, self.checkout_hosts, allow_http=self.allow_http
        )
        return answer.opening


def _checkout(tx_ref: str) -> dict[str, object]:
    """Nobody's name, address or number: what is sent stays with Chapa."""
    return CheckoutRequest(
        tx_ref=tx_ref,
        amount=Decimal(10),
        currency="ETB",
        first_name="Guzo",
        last_name="Check",
        email=None,
        phone_number=None,
        callback_url="",
        return_url="",
        title="Guzo",
        description="Nobody pays this",
        meta={},
    ).to_wire()
