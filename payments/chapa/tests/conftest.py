"""A running local Chapa, the real client that talks to it, and a receiver for what it sends."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from payments.chapa.client import ChapaClient
from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.server import RunningSandbox, running_sandbox
from payments.chapa.tests.cast import HASH, TEST_KEY
from payments.chapa.tests.servers import Receiver, running_receiver

MakeClient = Callable[..., ChapaClient]


@pytest.fixture(scope="session")
def running_pair() -> Iterator[tuple[RunningSandbox, Receiver]]:
    with running_receiver() as receiver:
        config = SandboxConfig(
            secret_keys=(TEST_KEY,),
            webhook_secrets=(HASH,),
            public_url=receiver.origin,
            hang_s=0.4,
            retry_s=0.02,
        )
        with running_sandbox(config) as sandbox:
            yield sandbox, receiver


@pytest.fixture
def sandbox(running_pair: tuple[RunningSandbox, Receiver]) -> RunningSandbox:
    """A local Chapa as new; it tells `receiver`."""
    sandbox, receiver = running_pair
    # In this order: what the last test left under way may still arrive.
    sandbox.reset()
    receiver.reset()
    return sandbox


@pytest.fixture
def receiver(sandbox: RunningSandbox, running_pair: tuple[RunningSandbox, Receiver]) -> Receiver:
    assert sandbox is running_pair[0]
    return running_pair[1]


@pytest.fixture
def make_client() -> Iterator[MakeClient]:
    """Make clients that are closed afterwards."""
    with ExitStack() as stack:

        def make(
            base_url: str,
            *,
            secret_key: str = TEST_KEY,
            checkout_hosts: tuple[str, ...] = (),
            connect_timeout_s: float = 0.5,
            read_timeout_s: float = 5.0,
        ) -> ChapaClient:
            client = ChapaClient(
                base_url=base_url,
                secret_key=secret_key,
                checkout_hosts=checkout_hosts,
                connect_timeout_s=connect_timeout_s,
                read_timeout_s=read_timeout_s,
            )
            stack.callback(client.close)
            return client

        yield make


@pytest.fixture
def client(sandbox: RunningSandbox, make_client: MakeClient) -> ChapaClient:
    return make_client(sandbox.base_url, checkout_hosts=(sandbox.checkout_host,))


@pytest.fixture
def hasty_client(sandbox: RunningSandbox, make_client: MakeClient) -> ChapaClient:
    """A client that waits less long than the sandbox hangs."""
    hosts = (sandbox.checkout_host,)
    return make_client(sandbox.base_url, checkout_hosts=hosts, read_timeout_s=0.1)
