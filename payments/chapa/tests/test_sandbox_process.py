"""The local Chapa as the process that it is outside of tests."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from payments.chapa.tests.cast import HASH, TEST_KEY, a_checkout, wait_until
from payments.chapa.tests.conftest import MakeClient
from payments.chapa.tests.servers import Receiver
from payments.chapa.wire import Opening, Outcome

pytestmark = pytest.mark.crash


@contextmanager
def process(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, "-m", "payments.chapa.sandbox"],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=1).ok
    except requests.RequestException:
        return False


def test_the_process_serves_a_whole_payment_and_stops_when_interrupted(
    receiver: Receiver, make_client: MakeClient
) -> None:
    port = free_port()
    environment = {
        "CHAPA_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "CHAPA_SECRET_KEY": TEST_KEY,
        "CHAPA_WEBHOOK_SECRETS": HASH,
        "CHAPA_CHECKOUT_HOSTS": f"127.0.0.1:{port}",
        "PUBLIC_URL": receiver.origin,
    }
    with process(environment) as chapa:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), seconds=10)
        client = make_client(
            f"http://127.0.0.1:{port}/v1",
            checkout_hosts=(f"127.0.0.1:{port}",),
        )

        opened = client.initialize(a_checkout())
        assert opened.opening is Opening.OPENED
        requests.post(
            f"{opened.checkout_url}/pay",
            data={"phone_number": "0900123456"},
            timeout=5,
            allow_redirects=False,
        )
        wait_until(lambda: bool(receiver.webhooks()))

        assert client.verify("gz-1").outcome is Outcome.PAID
        chapa.send_signal(signal.SIGINT)
        assert chapa.wait(timeout=5) == 0


def test_the_process_does_not_start_without_what_it_needs() -> None:
    with process({"CHAPA_BASE_URL": ""}) as chapa:
        _, complaint = chapa.communicate(timeout=10)

        assert chapa.returncode == 1
        assert "CHAPA_BASE_URL is not set" in complaint
        assert "Traceback" not in complaint
