"""What is to be sent to Guzo, and what was."""

from dataclasses import dataclass, field
from datetime import datetime

from payments.chapa.sandbox.transactions import Transaction, random_text


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """
    The next attempt to tell Guzo something; `number` counts from 1.

    `told` is what is said of the transaction `tx_ref`, true or not. `held_back`: it goes when a
    later webhook has overtaken it, or at `due_at`.
    """

    tx_ref: str
    told: Transaction
    kind: str
    number: int
    due_at: datetime
    fault: str = ""
    held_back: bool = False
    delivery_id: str = field(default_factory=lambda: random_text(16))


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One request sent to Guzo; `http_status` is None where there was no answer."""

    tx_ref: str
    kind: str
    event: str
    url: str
    number: int
    sent_at: datetime
    http_status: int | None
    problem: str
    fault: str = ""
