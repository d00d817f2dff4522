"""
How fast a backlog of payments is asked about: `python -m workers.bench.sweep [--figure pace]`.

pace: due payments and a Chapa that takes 200 ms, one sweep of 32 questions at once, no limit on
how often; then two sweeps of 16 at the same time. claim: the statement that claims, with millions
of settled payments in the table and without. start: a payment start beside a bare call to Chapa.
"""

import subprocess
import sys
import time
from argparse import ArgumentParser
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psycopg2
import requests

from workers.bench.rounds import Spread, describe_machine
from workers.bench.servers import Servers, running_servers
from workers.bench.slow_chapa import SlowChapa, running_slow_chapa
from workers.bench.travellers import HeldStay, hold_stays
from workers.devstack.plan import PROJECT
from workers.devstack.progress import Progress
from workers.devstack.signals import StopRequested, stop_requests

FIGURES = ("pace", "claim", "start")
LATENCY_S = 0.2
CONCURRENCY = 32
CLAIMED = 32
CHUNK = 250_000
UNLIMITED = "100000000/1s"

_PAYER = """
insert into core_user (id, password, is_superuser, email, first_name, last_name, phone_number,
    language, is_active, is_staff, joined_at)
values (gen_random_uuid(), '', false, 'payer@guzo.et', 'Almaz', 'Bekele', '', 'en', true,
    false, now())
on conflict do nothing
"""
# Four days old: the next look after this one is three days away. Looks come up to a tenth earlier,
# each payment by its own share, so that neighbours in the table are not neighbours in time.
_PAYMENTS = """
insert into payments_payment (id, reference, payer_id, tx_ref, amount, currency, mode, title,
    status, failure_reason, checkout_url, return_key_digest, captured_amount, refunded_amount,
    created_at, expires_at, asked_at, settled_at, next_check_at)
select made.id, gen_random_uuid(), payer.id, 'guzo-' || replace(made.id::text, '-', ''), 1500,
    'ETB', 'test', 'Bench', case when is_due then 'expired' else 'succeeded' end, '', '', '',
    case when is_due then 0 else 1500 end, 0, now() - interval '4 days', now() - interval '4 days',
    now() - interval '2 days', case when not is_due then now() end,
    case when is_due then now() - random() * interval '1 day' end
from (select gen_random_uuid() id, %s is_due from generate_series(1, %s)) made,
    (select id from core_user where email = 'payer@guzo.et') payer
"""
_CLAIM = "select id from payments_claim_due(now(), now(), now() + interval '20 s', 'test', %s)"
_ANSWER = """
update payments_payment set asking_until = null, next_check_at = null where id = any(%s::uuid[])
"""


def main() -> int:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--figure", choices=FIGURES, help="only this one")
    parser.add_argument("--payments", type=int, default=10_000)
    parser.add_argument("--settled", type=int, default=5_000_000)
    parser.add_argument("--starts", type=int, default=100)
    options = parser.parse_args()
    progress = Progress()
    progress.say(f"  {describe_machine()}\n")
    try:
        with stop_requests():
            for figure in [options.figure] if options.figure else FIGURES:
                with running_servers(progress, *(["web"] if figure == "start" else [])) as servers:
                    servers.sql(_PAYER)
                    match figure:
                        case "pace":
                            _measure_pace(servers, options.payments, progress)
                        case "claim":
                            _measure_claims(servers, options.payments, options.settled, progress)
                        case "start":
                            _measure_start(servers, options.starts, progress)
    except StopRequested as stop:
        return stop.exit_code
    return 0


def _measure_pace(servers: Servers, payments: int, progress: Progress) -> None:
    with running_slow_chapa(str(servers.plan.chapa_url), latency_s=LATENCY_S) as chapa:
        for sweeps in (1, 2):
            chapa.forget()
            servers.sql(_PAYMENTS, True, payments)
            seen = [Watched(_begin_sweep(servers, CONCURRENCY // sweeps)) for _ in range(sweeps)]
            while any([each.is_running(chapa.verified.total() / payments) for each in seen]):
                time.sleep(0.05)
            _say_pace(progress, seen, chapa, payments)


def _begin_sweep(servers: Servers, concurrency: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "manage.py", "check_payments"],
        cwd=PROJECT,
        env={
            **servers.plan.environment,
            "SWEEP_CALLS": UNLIMITED,
            "SWEEP_CONCURRENCY": str(concurrency),
        },
        stdout=subprocess.DEVNULL,
    )


@dataclass
class Watched:
    """A sweep's process: its memory after a quarter of the work and last, and its CPU."""

    process: "subprocess.Popen[bytes]"
    early_mb: float = 0.0
    late_mb: float = 0.0
    cpu_s: float = 0.0

    def is_running(self, share: float) -> bool:
        """Look at it, so much of the work being done."""
        if (code := self.process.poll()) is not None:
            if code:
                raise SystemExit(f"a sweep ended with {code}")
            return False
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        if (pages := int(stat[21])) > 0:
            self.late_mb = pages * 4096 / 1e6
            self.cpu_s = (int(stat[11]) + int(stat[12])) / 100
        if share <= 0.25:
            self.early_mb = self.late_mb
        return True


def _say_pace(progress: Progress, seen: list[Watched], chapa: SlowChapa, payments: int) -> None:
    at_once = CONCURRENCY // len(seen)
    limit, pace = CONCURRENCY / LATENCY_S, payments / chapa.seconds
    often = Counter(chapa.verified.values())
    progress.say(
        f"  {len(seen)} × {at_once} at once: {pace:.0f}/s, {pace / limit:.2f} of {limit:.0f}/s;"
        f" at most {chapa.most_open} open"
    )
    shown = ", ".join(f"{count:,} asked about {times} ×" for times, count in sorted(often.items()))
    progress.say(f"    {shown}, of {payments:,}")
    for each in seen:
        progress.say(
            f"    {each.late_mb:.1f} MB, {each.late_mb - each.early_mb:+.1f} since a quarter of the"
            f" work; {each.cpu_s:.1f} s of CPU"
        )


def _measure_claims(servers: Servers, due: int, settled: int, progress: Progress) -> None:
    """Claim and answer batch after batch in two databases, in turn; time the claims alone."""
    _sql(servers, "postgres", "create database settled template guzo")
    for done in range(0, settled, CHUNK):
        began = time.monotonic()
        _sql(servers, "settled", _PAYMENTS, False, min(CHUNK, settled - done))
        progress.step("settled", f"{done + CHUNK:,}", time.monotonic() - began)
    took: dict[str, list[float]] = {"guzo": [], "settled": []}
    with closing(_connect(servers, "guzo")) as empty, closing(_connect(servers, "settled")) as full:
        sessions = {"guzo": empty, "settled": full}
        for session in sessions.values():
            with session.cursor() as cursor:
                cursor.execute(_PAYMENTS, (True, due))
                cursor.execute("vacuum analyze payments_payment")
                cursor.execute("checkpoint")
                # What is due was written lately, and is in memory.
                cursor.execute(
                    "select max(title) from payments_payment where next_check_at < now()"
                )
        for turn in range(due // CLAIMED):
            for name in sorted(sessions, reverse=turn % 2 == 1):
                took[name].append(_claim(sessions[name]))
    # The first ones plan.
    ours, bare = (Spread.of(took[name][5:]) for name in ("settled", "guzo"))
    progress.say(
        f"  to claim {CLAIMED} of {due:,}: beside {settled:,} settled {ours.show('{:.2f}')} ms,"
        f" beside none {bare.show('{:.2f}')} ms; {ours.median / bare.median:.2f}"
    )


def _claim(session: Any) -> float:
    """Return the milliseconds that a claim took; what was claimed is answered afterwards."""
    with session.cursor() as cursor:
        cursor.execute("begin")
        began = time.perf_counter()
        cursor.execute(_CLAIM, (CLAIMED,))
        took = time.perf_counter() - began
        claimed = [row[0] for row in cursor.fetchall()]
        cursor.execute("commit")
        if len(claimed) != CLAIMED:
            raise SystemExit(f"{len(claimed)} payments were claimed, not {CLAIMED}")
        cursor.execute(_ANSWER, (claimed,))
    return took * 1000


def _connect(servers: Servers, database: str) -> Any:
    session = psycopg2.connect(host=str(servers.sockets), user="guzo", dbname=database)
    session.autocommit = True
    return session


def _sql(servers: Servers, database: str, query: str, *values: Any) -> None:
    with closing(_connect(servers, database)) as session, session.cursor() as cursor:
        cursor.execute(query, values or None)


def _measure_start(servers: Servers, starts: int, progress: Progress) -> None:
    """Start payments one after the other, each beside the call to Chapa that it makes."""
    (stays,) = hold_stays(servers, starts, 1)
    chapa_url = str(servers.plan.chapa_url)
    with (
        running_slow_chapa(chapa_url, latency_s=LATENCY_S),
        requests.Session() as client,
        requests.Session() as merchant,
    ):
        for session in (client, merchant):
            session.trust_env = False
        ours, bare = [], []
        for stay in stays:
            bare.append(_time(merchant, f"{chapa_url}/v1/transaction/initialize", {}, 200))
            url = f"{servers.plan.web_url}/api/v1/bookings/{stay.booking_id}/payments"
            ours.append(_time(client, url, _headers(stay), 201))
    share = median(ours) / median(bare)
    progress.say(
        f"  to start a payment {Spread.of(ours).show('{:.1f}')} ms,"
        f" Chapa alone {Spread.of(bare).show('{:.1f}')} ms; {share:.2f}"
    )


def _headers(stay: HeldStay) -> dict[str, str]:
    return {"Authorization": f"Bearer {stay.token}", "Idempotency-Key": stay.booking_id}


def _time(session: requests.Session, url: str, headers: dict[str, str], status: int) -> float:
    began = time.perf_counter()
    answer = session.post(url, json={}, headers=headers, timeout=30)
    took = time.perf_counter() - began
    if answer.status_code != status:
        raise SystemExit(f"{answer.status_code} instead of {status}")
    return took * 1000


if __name__ == "__main__":
    sys.exit(main())
