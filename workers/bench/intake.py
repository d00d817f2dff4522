"""
How many webhooks are taken while Chapa hangs: `python -m workers.bench.intake`.

Quiet rounds and rounds with initiations that wait for Chapa take turns, so that whatever else the
machine does falls on both. Prints each round, the median ratio and the most connections seen.
"""

import multiprocessing
import platform
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from statistics import median
from threading import Event
from urllib.parse import urlsplit

import requests

from workers.bench.flood import Rate, client_processes, flood_from, write_chapa_webhook
from workers.bench.servers import Servers, running_servers
from workers.bench.travellers import HeldStay, hold_stays
from workers.devstack.progress import Progress

ROUNDS = 5
SECONDS = 9.0
INITIATIONS = 64
# As long as Chapa may take before it counts as silent, 10 s, and longer than a round.
CHAPA_LATENCY_S = 9.5


def main() -> None:
    progress = Progress()
    with running_servers(progress, "web", "chapa") as servers:
        progress.say(f"  {platform.python_version()}, {_postgres(servers)}, {_cpus()} CPUs\n")
        rounds = hold_stays(servers, INITIATIONS, ROUNDS)
        with client_processes() as clients:
            _measure(servers, clients, "warm-up", 2.0)
            ratios = [_compare(servers, clients, progress, stays) for stays in rounds]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        progress.say(f"\n  median ratio {median(ratios):.2f} ({spread})")


def _compare(
    servers: Servers, clients: ProcessPoolExecutor, progress: Progress, stays: list[HeldStay]
) -> float:
    """Measure one quiet round and one with initiations; return the second over the first."""
    with _most_connections(servers) as quiet_connections:
        quiet = _measure(servers, clients, "quiet", SECONDS)
    _chapa(servers, {"latency_s": CHAPA_LATENCY_S})
    with ThreadPoolExecutor(len(stays)) as pool, _most_connections(servers) as connections:
        answers = [pool.submit(_start_payment, servers.plan.web_url, stay) for stay in stays]
        busy = _measure(servers, clients, "busy", SECONDS)
        told = Counter(answer.result() for answer in answers)
    _chapa(servers, {"latency_s": 0})
    shown = ", ".join(f"{count} × {status}" for status, count in sorted(told.items()))
    progress.say(
        f"  quiet {quiet}, {quiet_connections.result()} connections;"
        f"  {len(stays)} initiations: {busy}, {connections.result()} connections: {shown}"
    )
    return busy.per_second / quiet.per_second


def _measure(servers: Servers, clients: ProcessPoolExecutor, name: str, seconds: float) -> Rate:
    write = partial(write_chapa_webhook, servers.plan.environment["CHAPA_WEBHOOK_SECRETS"])
    url = servers.plan.web_url
    return flood_from(clients, url, write, seconds=seconds, name=f"bench-{name}")


def _start_payment(web_url: str, stay: HeldStay) -> int:
    desk = HTTPConnection(urlsplit(web_url).netloc, timeout=60)
    desk.request(
        "POST",
        f"/api/v1/bookings/{stay.booking_id}/payments",
        b"{}",
        {
            "Authorization": f"Bearer {stay.token}",
            "Idempotency-Key": stay.booking_id,
            "Content-Type": "application/json",
        },
    )
    status = desk.getresponse().status
    desk.close()
    return status


@contextmanager
def _most_connections(servers: Servers) -> Iterator["Future[int]"]:
    """Look every 50 ms while the block runs; afterwards the most connections but this one."""
    over = Event()

    def watch() -> int:
        most = 0
        with servers.connect() as connection, connection.cursor() as cursor:
            connection.autocommit = True
            while not over.wait(0.05):
                cursor.execute(
                    "select count(*) - 1 from pg_stat_activity"
                    " where backend_type = 'client backend'"
                )
                most = max(most, cursor.fetchone()[0])
        return most

    with ThreadPoolExecutor(1) as pool:
        seen = pool.submit(watch)
        try:
            yield seen
        finally:
            over.set()


def _chapa(servers: Servers, faults: dict[str, float]) -> None:
    requests.post(f"{servers.plan.chapa_url}/control/faults", json=faults, timeout=10)


def _postgres(servers: Servers) -> str:
    ((version, most),) = servers.sql(
        "select current_setting('server_version'), current_setting('max_connections')"
    )
    return f"PostgreSQL {version} with max_connections {most}"


def _cpus() -> int:
    return multiprocessing.cpu_count()


if __name__ == "__main__":
    main()
