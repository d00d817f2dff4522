"""
The whole API, as its schema describes it, asked thousands of things by schemathesis.

Requests are counted where they arrive: in the log of the web process.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from workers.devstack.plan import PROJECT, read_settings
from workers.devstack.stack import program_of
from workers.tests.crash.fleet import Fleet, running_fleet

pytestmark = pytest.mark.fuzz

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
SAMPLE = PROJECT / ".env.sample"
CONFIG = Path(__file__).with_name("schemathesis.toml")
WANTED = 5000
PASSWORD = "kurs-buna-72-lalibela"
PEOPLE = {
    "traveller": ("selam@guzo.et", "guzo-demo-traveller"),
    "stranger": ("stranger@guzo.et", PASSWORD),
    "operator": ("operator@guzo.et", "guzo-demo-operator"),
}
# So wide that what lies behind them is reached.
LIMITS = {name: "100000/1m" for name in read_settings(SAMPLE, {}) if "_PER_" in name} | {
    "OPEN_HOLDS_PER_USER": "1000"
}

# Of these nothing is there to act on until Chapa has told something else than was owed. They are
# asked like all others; that they work is for test_refunds.py, test_statements.py and
# test_flagged_bookings.py in workers/tests.
AFTER_TROUBLE = {
    ("POST", "api/v1/ops/bookings/<uuid:booking_id>/resolve"),
    ("POST", "api/v1/ops/payments/<uuid:payment_id>/accept"),
    ("POST", "api/v1/ops/statement/differences/<uuid:difference_id>/resolve"),
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_fleet(Path(tmp_path_factory.mktemp("fuzz")), **LIMITS) as fleet:
        seed = program_of(fleet.plan, "seed_demo", ("python", "manage.py", "seed_demo"))
        fleet.supervisor.run(seed)
        yield fleet


@dataclass
class Api:
    """The API as a person with a token sees it."""

    url: str
    token: str = ""

    def call(self, method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers |= {"Idempotency-Key": secrets.token_hex(8)}
        answer = requests.request(
            method, f"{self.url}/api/v1/{path}", headers=headers, timeout=30, **options
        )
        assert answer.ok, answer.text
        return answer.json()

    def log_in(self, email: str, password: str) -> "Api":
        login = {"email": email, "password": password}
        return Api(self.url, self.call("POST", "tokens", json=login)["token"])


def test_every_answer_is_one_that_the_schema_promises(fleet: Fleet, tmp_path: Path) -> None:
    seed = os.environ.get("FUZZ_SEED") or str(secrets.randbelow(10**6))
    _write_people(fleet, tmp_path)
    before = len(_asked(fleet))

    _fuzz(fleet, tmp_path, seed, "--exclude-operation-id", "log_out")
    # Last, for it ends the login that it is asked with.
    _fuzz(fleet, tmp_path, seed, "--include-operation-id", "log_out", "--max-examples", "20")

    asked = _asked(fleet)[before:]
    _tell(asked, seed)
    assert len(asked) >= WANTED
    assert not [each for each in asked if each[2] >= 500]
    served = {(method, route) for method, route, status in asked if status < 300}
    assert served >= _operations(fleet) - AFTER_TROUBLE


def _write_people(fleet: Fleet, folder: Path) -> None:
    """Write down who asks, and what there is to be asked about."""
    api = Api(fleet.plan.web_url)
    names = {"first_name": "Liya", "last_name": "Desta"}
    for email in ("stranger@guzo.et", "guest@guzo.et"):
        api.call("POST", "users", json={"email": email, "password": PASSWORD} | names)
    people = {name: api.log_in(*login) for name, login in PEOPLE.items()}
    headers = {
        name: [{"name": "Authorization", "value": f"Bearer {person.token}"}]
        for name, person in people.items()
    }
    document = {"auth": [{"name": name, "fixedHeaders": each} for name, each in headers.items()]}
    (folder / "people.json").write_text(json.dumps(document))

    traveller = people["traveller"]
    listings = [place["id"] for place in api.call("GET", "listings")["results"]]
    bookings, payments = [], []
    for number, listing in enumerate(listings[:12]):
        check_in = datetime.now(UTC).date() + timedelta(days=485 + number % 3)
        stay = {"check_in": str(check_in), "check_out": str(check_in + timedelta(days=2))}
        booking = traveller.call("POST", "bookings", json={"listing": listing, "guests": 1} | stay)
        bookings.append(booking["id"])
        if number % 2:
            payment = traveller.call("POST", f"bookings/{booking['id']}/payments", json={})
            payments.append(payment["id"])
    found = {"listings": listings, "bookings": bookings[4:], "given_up": bookings[:4]}
    found |= {"payments": payments} | _plan_replays(people["operator"])
    found |= _order_refunds(people["operator"])
    for name, ids in found.items():
        (folder / name).write_text("\n".join(map(json.dumps, ids)))


def _plan_replays(operator: Api) -> dict[str, list[str]]:
    """Return replays to execute, to pause and to cancel; those that run take a long time."""
    plan = {"select": {"type": "payment.succeeded"}, "mode": "rerun", "rate": 1, "reason": "fuzz"}
    return {
        name: [
            str(
                operator.call("POST", "ops/replays", json=plan | {"dry_run": name != "running"})[
                    "id"
                ]
            )
            for _ in range(20)
        ]
        for name in ("planned", "running", "unwanted")
    }


def _order_refunds(operator: Api) -> dict[str, list[str]]:
    """Return payments of which something is left, and refunds to say something about."""
    events = operator.call("GET", "ops/events?type=payment.succeeded")["results"]
    paid = [event["subject"].removeprefix("payment:") for event in events]
    paid = [
        each
        for each in paid
        if operator.call("GET", f"ops/payments/{each}/refunds")["left"]["amount"] > "1.00"
    ]
    part = {"amount": "1.00", "reason": "fuzz"}
    ordered = [
        operator.call("POST", f"ops/payments/{each}/refunds", json=part)["id"] for each in paid
    ]
    assert ordered
    return {"paid": paid, "ordered": ordered}


def _fuzz(fleet: Fleet, folder: Path, seed: str, *options: str) -> None:
    done = subprocess.run(
        [
            SCHEMATHESIS,
            f"--config-file={shutil.copy(CONFIG, folder)}",
            "run",
            f"{fleet.plan.web_url}/api/v1/schema",
            f"--seed={seed}",
            *options,
        ],
        env={**os.environ, "FUZZ_PEOPLE": str(folder / "people.json")},
        cwd=fleet.plan.project,
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0, f"FUZZ_SEED={seed} make fuzz"


def _asked(fleet: Fleet) -> list[tuple[str, str, int]]:
    """Return method, route and status of every request that arrived."""
    lines = (fleet.logs / "web.log").read_text().splitlines()
    told = [json.loads(line) for line in lines if line.startswith("{")]
    return [
        (line["method"], line["route"], line["status"])
        for line in told
        if line.get("event") == "request"
    ]


def _operations(fleet: Fleet) -> set[tuple[str, str]]:
    document = Api(fleet.plan.web_url).call("GET", "schema")
    return {
        (method.upper(), path.lstrip("/").replace("{", "<uuid:").replace("}", ">"))
        for path, methods in document["paths"].items()
        for method in methods
    }


def _tell(asked: list[tuple[str, str, int]], seed: str) -> None:
    statuses = Counter(status for *_, status in asked)
    good = sum(count for status, count in statuses.items() if status < 300)
    print(f"{len(asked)} requests, {good / len(asked):.0%} of them 2xx, FUZZ_SEED={seed}")
    print(dict(sorted(statuses.items())))
    for (method, route), count in sorted(Counter(each[:2] for each in asked).items()):
        told = Counter(status for *where, status in asked if tuple(where) == (method, route))
        print(f"  {method:<7} {route:<45} {count:>5}  {dict(sorted(told.items()))}")
