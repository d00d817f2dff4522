"""A local Chapa whose time is held, asked with plain requests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import requests

from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.server import RunningSandbox, running_sandbox
from payments.chapa.sandbox.transactions import Transaction
from payments.chapa.tests.cast import HASH, LIVE_KEY, TEST_KEY
from payments.chapa.tests.servers import Receiver, running_receiver

BEGAN = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
REFUND_S, DELAY_S, RETRY_S = 100.0, 50.0, 10.0


@dataclass
class HeldClock:
    at: datetime = BEGAN

    def __call__(self) -> datetime:
        return self.at


@dataclass(frozen=True)
class Account:
    """A local Chapa with a key of each mode, whose time is held."""

    chapa: RunningSandbox
    clock: HeldClock
    receiver: Receiver

    def paid(self, tx_ref: str = "gz-1", *, key: str = LIVE_KEY) -> Transaction:
        fields = {"amount": "100", "currency": "ETB", "tx_ref": tx_ref}
        assert self.ask("POST", "transaction/initialize", key=key, json=fields).ok
        opened = self.chapa.store.find(tx_ref)
        assert opened is not None
        return self.chapa.chapa.pay(opened)

    def ask(
        self, method: str, path: str, *, key: str = LIVE_KEY, **given: object
    ) -> requests.Response:
        options: dict[str, object] = {"headers": {"Authorization": f"Bearer {key}"}, "timeout": 5}
        url = f"{self.chapa.base_url}/{path}"
        return requests.request(method, url, **(options | given))  # type: ignore[arg-type]

    def refund(self, payment: Transaction, **fields: object) -> requests.Response:
        return self.ask("POST", f"refund/{payment.reference}", data=fields)

    def state(self, ref_id: str) -> str:
        answer = self.ask("GET", f"refund/{ref_id}/verify")
        assert answer.status_code == 200
        return str(answer.json()["data"]["status"])

    def status(self, tx_ref: str = "gz-1") -> str:
        return str(self.ask("GET", f"transaction/verify/{tx_ref}").json()["data"]["status"])

    def as_new(self) -> "Account":
        self.chapa.reset()
        self.receiver.reset()
        self.clock.at = BEGAN
        return self

    def pass_time(self, seconds: float) -> None:
        self.clock.at += timedelta(seconds=seconds)
        self.chapa.chapa.catch_up()


@contextmanager
def running_account() -> Iterator[Account]:
    clock = HeldClock()
    with running_receiver() as receiver:
        config = SandboxConfig(
            secret_keys=(TEST_KEY, LIVE_KEY),
            webhook_secrets=(HASH,),
            public_url=receiver.origin,
            refund_s=REFUND_S,
            delay_s=DELAY_S,
            retry_s=RETRY_S,
            hang_s=0,
        )
        with running_sandbox(config, clock) as chapa:
            yield Account(chapa, clock, receiver)
