"""What Guzo asks Chapa to collect or to give back, in the form that Chapa accepts. Pure."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

_TX_REF = re.compile(r"[A-Za-z0-9_-]{1,50}")
_REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LOCAL_PHONE = re.compile(r"0[79][0-9]{8}")
_REFUSED_LETTERS = re.compile(r"[^A-Za-z0-9_. -]")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_EMAIL = re.compile(rf"{_ATOM}(\.{_ATOM})*@(?P<domain>[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+)")

LARGEST_AMOUNT = Decimal(1_000_000)
_NAME_LENGTH = 60
_TITLE_LENGTH = 16
_DESCRIPTION_LENGTH = 50
_REASON_LENGTH = 50
CURRENCIES = ("ETB", "USD")

# Reported as refused by Chapa's own check; docs/chapa.md, "Initialize".
_REFUSED_DOMAINS = (
    "example.com",
    "example.net",
    "example.org",
    "fake.com",
    "invalid.com",
    "test.com",
)
# Top-level names that no mail server can have (RFC 2606, RFC 6762).
_RESERVED_ENDINGS = ("example", "invalid", "local", "localhost", "test")


def check_tx_ref(tx_ref: str) -> str:
    """
    Return the reference unchanged.

    :raises ValueError: if it is not 1 to 50 letters, digits, hyphens or underscores, the only
        characters that Chapa is known to take and that mean nothing in a URL path.
    """
    if not _TX_REF.fullmatch(tx_ref):
        raise ValueError("a tx_ref is 1 to 50 letters, digits, hyphens and underscores")
    return tx_ref


def check_reference(reference: str) -> str:
    """
    Return one of Chapa's own references unchanged.

    :raises ValueError: if it is not 1 to 64 letters, digits, hyphens or underscores, and so might
        mean something in a URL path.
    """
    if not _REFERENCE.fullmatch(reference):
        raise ValueError("a reference is 1 to 64 letters, digits, hyphens and underscores")
    return reference


@dataclass(frozen=True, kw_only=True)
class CheckoutRequest:
    """
    One amount to collect once under one `tx_ref`; the amount is in major units (birr).

    :raises ValueError: if the reference is malformed, or the amount is not positive and exact
        to two decimals.
    """

    tx_ref: str
    amount: Decimal
    currency: str
    first_name: str = field(repr=False)
    last_name: str = field(repr=False)
    email: str | None = field(repr=False)
    phone_number: str | None = field(repr=False)
    callback_url: str
    # The return page's URL is a capability of the traveller.
    return_url: str = field(repr=False)
    title: str
    description: str
    meta: Mapping[str, str] = field(repr=False)

    def __post_init__(self) -> None:
        check_tx_ref(self.tx_ref)
        _checked(self.amount)

    def find_refusal(self) -> str:
        """Return why Chapa would surely refuse this, so that it need not be sent; "" if not."""
        return f"amount over {LARGEST_AMOUNT}" if self.amount > LARGEST_AMOUNT else ""

    def to_wire(self) -> dict[str, object]:
        """
        Return the JSON body of `transaction/initialize`.

        Everything optional that Chapa would refuse, or might, is shortened or left out: a
        payment must not fail for its decoration.
        """
        texts = {
            "title": _plain(self.title, _TITLE_LENGTH),
            "description": _plain(self.description, _DESCRIPTION_LENGTH),
        }
        optional: dict[str, object] = {
            "first_name": _plain_name(self.first_name),
            "last_name": _plain_name(self.last_name),
            "email": _deliverable_email(self.email or ""),
            "phone_number": _local_phone(self.phone_number or ""),
            "callback_url": self.callback_url,
            "return_url": self.return_url,
            "customization": {name: text for name, text in texts.items() if text},
            "meta": dict(self.meta),
        }
        return {
            "tx_ref": self.tx_ref,
            "amount": f"{self.amount:.2f}",
            "currency": self.currency,
        } | {name: value for name, value in optional.items() if value}


def refund_form(
    *, money_amount: Decimal, currency: str, reference: str, reason: str
) -> dict[str, str]:
    """
    Return the form of `POST refund/{Chapa's reference}`; the amount is in major units.

    The reason loses what Chapa is known to refuse in other texts. The currency is not sent:
    Chapa knows only that of the payment.

    :raises ValueError: if the amount is not positive and exact to two decimals, the currency is
        not one that Chapa collects, or `reference` is not one that Guzo could have made.
    """
    if currency not in CURRENCIES:
        raise ValueError("Chapa refunds ETB and USD only")
    form = {
        "amount": f"{_checked(money_amount):.2f}",
        "reason": _plain(reason, _REASON_LENGTH),
        "reference": check_tx_ref(reference),
    }
    return {name: value for name, value in form.items() if value}


def _checked(amount: Decimal) -> Decimal:
    if not amount.is_finite() or amount <= 0:
        raise ValueError("the amount must be positive")
    if Decimal(f"{amount:.2f}") != amount:
        raise ValueError("the amount must be exact to two decimals")
    return amount


def _plain(text: str, length: int) -> str:
    letters = _REFUSED_LETTERS.sub("", unicodedata.normalize("NFKD", text))
    return " ".join(letters.split())[:length].rstrip()


def _plain_name(name: str) -> str:
    """What is in front of Chapa forbids requests that look like attacks, and so might a name."""
    straight = name.replace("\u2019", "'")
    letters = (c for c in straight if c in " '.-" or unicodedata.category(c)[0] in "LM")
    return " ".join("".join(letters).split())[:_NAME_LENGTH].rstrip()


def _local_phone(phone_number: str) -> str:
    digits = re.sub(r"[ ()-]", "", phone_number)
    local = re.sub(r"^\+?251(?=[79])", "0", digits)
    return local if _LOCAL_PHONE.fullmatch(local) else ""


def _deliverable_email(email: str) -> str:
    """Chapa refuses the whole payment for an address whose domain it doubts."""
    address = email.strip()
    found = _EMAIL.fullmatch(address)
    if not found:
        return ""
    domain = found["domain"].lower()
    refused = any(domain == name or domain.endswith(f".{name}") for name in _REFUSED_DOMAINS)
    return "" if refused or domain.rsplit(".", 1)[-1] in _RESERVED_ENDINGS else address
