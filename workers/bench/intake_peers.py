"""
Webhook intake beside a bare view and beside dj-stripe: `python -m workers.bench.intake_peers`.

All three under gunicorn with the options of ours, on one PostgreSQL, flooded in turn. After each
round the rows are counted: what was answered 200 must be there, whole.
"""

import argparse
import itertools
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from workers.bench.flood import CLIENTS, CONNECTIONS, client_processes, flood_from
from workers.bench.peer_doors import (
    LOCK,
    Door,
    our_door,
    start_bare_door,
    start_door_within,
    start_stripe_door,
)
from workers.bench.rounds import Spread, describe_machine, ratios, table, take_turns
from workers.bench.servers import Servers, running_servers
from workers.devstack.progress import Progress
from workers.devstack.supervisor import Supervisor

OURS, WITHIN, BARE, STRIPE = "Guzo", "a bare view within Guzo", "a bare view alone", "dj-stripe"
# Of our rate to theirs: what must be, and what is aimed at.
BARS = {WITHIN: (0.6, 0.8), BARE: (0.6, 0.8), STRIPE: (3.0, 5.0)}
WARM_UP = 2.0
# More than any door here takes on one connection in a second.
MOST_PER_CONNECTION = 150


def main() -> None:
    options = _options()
    progress = Progress()
    progress.say(f"  {describe_machine()}")
    with (
        running_servers(progress, "web") as servers,
        _running_doors(progress, servers, options.seconds, options.rounds) as doors,
        client_processes() as clients,
    ):
        progress.say(f"  {_versions(servers)}\n")
        numbers = itertools.count()
        for door in doors.values():
            _measure(door, clients, WARM_UP, numbers)
        rates = take_turns(
            {
                name: partial(_measure, door, clients, options.seconds, numbers)
                for name, door in doors.items()
            },
            rounds=options.rounds,
            progress=progress,
        )
    progress.say(f"\n{_summary(rates)}")


def _measure(
    door: Door, clients: ProcessPoolExecutor, seconds: float, numbers: Iterator[int]
) -> float:
    """
    Return how many webhooks it took in a second.

    :raises SystemExit: if it answered 200 to any that it did not keep.
    """
    before = door.kept()
    rate = flood_from(clients, door.url, door.write, seconds=seconds, name=_name(next(numbers)))
    kept = door.kept() - before
    if kept != rate.accepted:
        raise SystemExit(f"{door.database} took {rate.accepted} webhooks and kept {kept} whole")
    return rate.per_second


@contextmanager
def _running_doors(
    progress: Progress, servers: Servers, seconds: float, rounds: int
) -> Iterator[dict[str, Door]]:
    with (
        TemporaryDirectory(prefix="guzo-doors-") as logs,
        Supervisor(Path(logs), progress) as supervisor,
    ):
        yield {
            OURS: our_door(servers, _tx_refs(seconds, rounds)),
            WITHIN: start_door_within(servers, supervisor),
            BARE: start_bare_door(servers, supervisor),
            STRIPE: start_stripe_door(servers, supervisor),
        }


def _name(number: int) -> str:
    return f"bench-{number}"


def _tx_refs(seconds: float, rounds: int) -> list[str]:
    """Return the names that `flood_from` may come to give to webhooks."""
    each = range(int(max(seconds, WARM_UP) * MOST_PER_CONNECTION))
    floods = range(4 * (rounds + 1))
    return [
        f"{_name(flood)}-{client}-{connection}-{number}"
        for flood, client, connection, number in itertools.product(
            floods, range(CLIENTS), range(CONNECTIONS), each
        )
    ]


def _summary(rates: dict[str, list[float]]) -> str:
    ours = rates[OURS]
    rows = [[OURS, f"{Spread.of(ours).show()}/s", "", "", ""]]
    for name, (must, aim) in BARS.items():
        ratio = ratios(ours, rates[name]).show("{:.2f}")
        rows.append([name, f"{Spread.of(rates[name]).show()}/s", ratio, f"{must}", f"{aim}"])
    return table(["door", "webhooks taken", "ours to it", "must", "aim"], rows)


def _versions(servers: Servers) -> str:
    ((postgres,),) = servers.sql("select current_setting('server_version')")
    pinned = next(line for line in LOCK.read_text().splitlines() if line.startswith("dj-stripe"))
    ours = ", ".join(f"{name} {version(name)}" for name in ("Django", "gunicorn"))
    return f"PostgreSQL {postgres}, {ours}, {pinned.split()[0]}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="intake_peers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
