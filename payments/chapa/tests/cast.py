"""The standing cast of these tests: a key of each mode, the webhook hash, one checkout."""

import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from payments.chapa.client import ChapaClient
from payments.chapa.sandbox.server import RunningSandbox
from payments.chapa.wire import CheckoutRequest

TEST_KEY = "CHASECK_TEST-abcdefghijklmnopqrstuvwxyz012345"
LIVE_KEY = "CHASECK-abcdefghijklmnopqrstuvwxyz012345"
HASH = "the hash from the dashboard"
OLD_HASH = "the hash before it"

_BODIES = Path(__file__).parent / "bodies"

_CHECKOUT = CheckoutRequest(
    tx_ref="gz-1",
    amount=Decimal("1250.50"),
    currency="ETB",
    first_name="Hanna",
    last_name="Tesfaye",
    email="hanna@gmail.com",
    phone_number="0900123456",
    callback_url="",
    return_url="https://guzo.test/return/k",
    title="Guzo",
    description="Two nights in Lalibela",
    meta={},
)


def a_checkout(tx_ref: str = "gz-1", **changes: object) -> CheckoutRequest:
    return replace(_CHECKOUT, tx_ref=tx_ref, **changes)  # type: ignore[arg-type]


def client_of(sandbox: RunningSandbox, timeouts_s: tuple[float, float]) -> ChapaClient:
    """Return a client with the key that this local Chapa accepts."""
    connect_timeout_s, read_timeout_s = timeouts_s
    return ChapaClient(
        base_url=sandbox.base_url,
        secret_key=sandbox.chapa.config.secret_keys[0],
        checkout_hosts=(sandbox.checkout_host,),
        connect_timeout_s=connect_timeout_s,
        read_timeout_s=read_timeout_s,
    )


def captured(name: str) -> bytes:
    """Return one of the bodies whose sources bodies/README.md names; JSON unless it says else."""
    return (_BODIES / (name if "." in name else f"{name}.json")).read_bytes()


def wait_until(condition: Callable[[], bool], *, seconds: float = 3.0) -> None:
    """Return as soon as it holds; fail if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)
