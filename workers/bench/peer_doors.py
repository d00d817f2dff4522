"""Webhook doors side by side on one PostgreSQL: ours, a bare view's, dj-stripe's."""

import json
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg2
import requests

from payments.chapa.signature import sign
from workers.bench.flood import Writer, write_chapa_webhook, write_post
from workers.bench.servers import Servers
from workers.bench.venv import make_venv
from workers.devstack.plan import PROJECT
from workers.devstack.process import Program
from workers.devstack.procfile import read_procfile
from workers.devstack.stack import program_of
from workers.devstack.supervisor import Supervisor

_FOLDER = Path(__file__).with_name("doors")
LOCK = _FOLDER / "requirements.txt"
_INTENT = json.loads((_FOLDER / "payment_intent.json").read_text())

_KEPT_BY_US = """
select count(*) from payments_incomingwebhook webhook
join payments_payment payment on payment.tx_ref = webhook.tx_ref and payment.hinted_at is not null
join events_event event on event.subject = 'webhook:' || webhook.id
join events_delivery delivery on delivery.event_id = event.id
where webhook.matching = 'matched' and length(webhook.body) = webhook.length
"""
_KEPT_BARE = "select count(*) from webhook where length(body) > 0"
_KEPT_BY_STRIPE = """
select count(*) from djstripe_webhookeventtrigger received
join djstripe_event event on event.id = received.event_id
join djstripe_paymentintent intent on intent.id = event.data->'object'->>'id'
join debt on debt.event = event.id
where received.valid and received.processed
"""
_PAYMENTS = """
with payer as (
    insert into core_user (id, password, is_superuser, email, first_name, last_name, phone_number,
        language, is_active, is_staff, joined_at)
    values (gen_random_uuid(), '', false, 'payer@guzo.et', 'Almaz', 'Bekele', '', 'en', true,
        false, now())
    returning id
)
insert into payments_payment (id, reference, payer_id, tx_ref, amount, currency, mode, title,
    status, failure_reason, checkout_url, return_key_digest, captured_amount, refunded_amount,
    created_at, expires_at, next_check_at)
select gen_random_uuid(), gen_random_uuid(), payer.id, tx_ref, 400, 'ETB', 'test', 'A stay',
    'pending', '', '', '', 0, 0, now(), now() + interval '30 minutes', now() + interval '1 minute'
from payer, unnest(%s) tx_ref
"""


@dataclass(frozen=True)
class Door:
    """Where to send webhooks, how to write one, and what counts those that were kept whole."""

    url: str
    write: Writer
    sockets: Path
    database: str
    count: str

    def kept(self) -> int:
        with closing(_connect(self.sockets, self.database)) as base, base.cursor() as cursor:
            cursor.execute(self.count)
            return int(cursor.fetchone()[0])


def our_door(servers: Servers, tx_refs: Sequence[str]) -> Door:
    """Ours, which knows a payment of each of these names."""
    servers.sql(_PAYMENTS, list(tx_refs))
    write = partial(write_chapa_webhook, servers.plan.environment["CHAPA_WEBHOOK_SECRETS"])
    return Door(servers.plan.web_url, write, servers.sockets, "guzo", _KEPT_BY_US)


def start_bare_door(servers: Servers, supervisor: Supervisor) -> Door:
    """One statement and one commit a request, and nothing else: the floor of what intake costs."""
    _create_webhook_table(servers, "bare")
    url = _start_gunicorn(servers, supervisor, Path(sys.executable), "bare")
    write = partial(write_chapa_webhook, "anything")
    return Door(url, write, servers.sockets, "bare", _KEPT_BARE)


def start_door_within(servers: Servers, supervisor: Supervisor) -> Door:
    """The same statement within Guzo: behind all that each request to it goes through."""
    _create_webhook_table(servers, "within")
    port = str(_free_port())
    url = f"http://127.0.0.1:{port}"
    database = servers.plan.environment["DATABASE_URL"].removesuffix("/guzo") + "/within"
    program = program_of(servers.plan, "within", read_procfile(PROJECT / "Procfile")["web"])
    own = {"DJANGO_SETTINGS_MODULE": "workers.bench.doors.behind", "PORT": port}
    supervisor.start(
        replace(
            program,
            environment={**program.environment, **own, "DATABASE_URL": database},
            is_ready=lambda _: _answers(url),
        )
    )
    write = partial(write_chapa_webhook, "anything")
    return Door(url, write, servers.sockets, "within", _KEPT_BARE)


def start_stripe_door(servers: Servers, supervisor: Supervisor) -> Door:
    """dj-stripe's view, which asks a Stripe of this machine for each payment it is told about."""
    python = make_venv(LOCK)
    _create_database(servers, "stripe").close()
    api = f"http://127.0.0.1:{(port := _free_port())}"
    supervisor.start(
        _program(servers, "stripe api", (sys.executable, "stripe_api.py", str(port)), url=api)
    )
    endpoint, secret = str(uuid4()), "whsec_bench"
    supervisor.run(
        _program(
            servers, "migrate stripe", (str(python), "stripe_door.py", endpoint, secret), api=api
        )
    )
    url = _start_gunicorn(servers, supervisor, python, "stripe_door", api=api)
    write = partial(_write_stripe_webhook, f"/stripe/webhook/{endpoint}", secret)
    return Door(url, write, servers.sockets, "stripe", _KEPT_BY_STRIPE)


def _write_stripe_webhook(path: str, secret: str, host: str, name: str) -> bytes:
    now = int(time.time())
    body = json.dumps(
        {
            "id": f"evt_{name}",
            "object": "event",
            "api_version": "2026-05-27.dahlia",
            "created": now,
            "data": {"object": _INTENT | {"id": f"pi_{name}"}},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": "payment_intent.succeeded",
        }
    ).encode()
    # Stripe signs with the same HMAC, over the time as well.
    signed = sign(b"%d.%s" % (now, body), secret)
    return write_post(host, path, body, f"Stripe-Signature: t={now},v1={signed}")


def _start_gunicorn(
    servers: Servers, supervisor: Supervisor, python: Path, module: str, api: str = ""
) -> str:
    """As core/gunicorn.py has it; return the address."""
    settings = servers.plan.environment
    port = _free_port()
    argv = (
        *(str(python), "-m", "gunicorn", "--worker-class", "gthread", "--no-control-socket"),
        *("--workers", settings["WEB_PROCESSES"], "--threads", settings["WEB_THREADS"]),
        *("--keep-alive", "5", "--bind", f"127.0.0.1:{port}", f"{module}:application"),
    )
    url = f"http://127.0.0.1:{port}"
    supervisor.start(_program(servers, module, argv, url=url, api=api))
    return url


def _program(
    servers: Servers, name: str, argv: tuple[str, ...], *, url: str = "", api: str = ""
) -> Program:
    own = {"BENCH_SOCKETS": str(servers.sockets), "BENCH_STRIPE_API": api}
    return Program(
        name=name,
        argv=argv,
        environment={**servers.plan.environment, **own},
        folder=_FOLDER,
        is_ready=lambda _: not url or _answers(url),
    )


def _answers(url: str) -> bool:
    """Whatever it answers: a peer knows no address but that of its webhooks."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            session.get(url, timeout=2)
        except requests.RequestException:
            return False
        return True


def _create_webhook_table(servers: Servers, database: str) -> None:
    with closing(_create_database(servers, database)) as base, base.cursor() as cursor:
        cursor.execute("create table webhook (id bigserial primary key, body bytea not null)")


def _create_database(servers: Servers, name: str) -> Any:
    with closing(servers.connect()) as base, base.cursor() as cursor:
        base.autocommit = True
        cursor.execute(f"create database {name}")
    return _connect(servers.sockets, name)


def _connect(sockets: Path, database: str) -> Any:
    connection = psycopg2.connect(host=str(sockets), user="guzo", dbname=database)
    connection.autocommit = True
    return connection


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
