"""Other people's clients of Chapa, unmodified, against the local one: it is not Guzo's mirror."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.server import RunningSandbox, running_sandbox
from workers.bench.venv import make_venv
from workers.devstack.plan import LOCAL, PROJECT

pytestmark = pytest.mark.contract

KEY = "CHASECK_TEST-abcdefghijklmnopqrstuvwxyz012345"
SDKS = Path(__file__).parent
INSTALL_S, CALL_S = 300, 30

Call = Callable[[str], dict[str, Any]]


@pytest.fixture
def chapa() -> Iterator[RunningSandbox]:
    config = SandboxConfig(secret_keys=(KEY,), webhook_secrets=("hash",), webhook=False)
    with running_sandbox(config) as running:
        yield running


def said_by(command: list[str | Path], **environment: str) -> dict[str, Any]:
    done = subprocess.run(
        command,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=CALL_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def node_modules() -> Path:
    """Return a folder that holds the locked packages and the scripts; it is made only once."""
    npm = shutil.which("npm")
    assert npm is not None, "npm is not here: install Node.js"
    lock = (SDKS / "package-lock.json").read_bytes()
    folder = PROJECT / LOCAL / "contract" / hashlib.sha256(lock).hexdigest()[:12]
    if not (folder / ".installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SDKS / name, folder)
        options = ["--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run([npm, "ci", *options], cwd=folder, timeout=INSTALL_S, check=True)
        (folder / ".installed").touch()
    for script in SDKS.glob("*.cjs"):
        shutil.copy(script, folder)
    return folder


def python_call(chapa: RunningSandbox) -> Call:
    python = make_venv(SDKS / "requirements.txt")
    return lambda step: said_by([python, SDKS / "pay.py", chapa.origin, KEY, step])


def node_call(chapa: RunningSandbox) -> Call:
    folder = node_modules()
    command: list[str | Path] = ["node", "--require", folder / "redirect.cjs", folder / "pay.cjs"]
    return lambda step: said_by([*command, KEY, step], LOCAL_CHAPA=chapa.origin)


@pytest.mark.parametrize("call_through", [python_call, node_call])
def test_an_sdk_opens_a_checkout_and_sees_it_paid(
    chapa: RunningSandbox, call_through: Callable[[RunningSandbox], Call]
) -> None:
    call = call_through(chapa)

    opened = call("initialize")
    unpaid = call("verify")
    page = opened["data"]["checkout_url"]
    form = {"phone_number": "0900123456"}
    requests.post(f"{page}/pay", data=form, timeout=5, allow_redirects=False)
    paid = call("verify")

    assert (opened["message"], opened["status"]) == ("Hosted Link", "success")
    assert page.startswith(f"{chapa.origin}/checkout/payment/")
    assert (unpaid["status"], unpaid["data"]["status"]) == ("success", "pending")
    assert paid["data"]["status"] == "success"
    assert (paid["data"]["amount"], paid["data"]["currency"]) == (1250.5, "ETB")
    assert paid["data"]["customization"]["title"] == "Guzo"
    assert chapa.store.calls("sdk-1") == {"initialize": 1, "verify": 2, "cancel": 0}
