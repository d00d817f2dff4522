"""How many commits with one event 32 connections get through, while a relay listens."""

import select
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from threading import Event

from workers.bench import contestants
from workers.bench.arena import Arena
from workers.bench.contestants import Contestant
from workers.bench.rounds import take_turns
from workers.devstack.progress import Progress

CONNECTIONS, PROCESSES = 32, 4


def measure_commits(
    arena: Arena, *, rounds: int, events: int, progress: Progress
) -> dict[str, list[float]]:
    """Return commits a second, round by round."""
    progress.say(f"\n  {events:,} commits with one event each, {CONNECTIONS} connections")
    those = (
        contestants.guzo_relay(),
        contestants.procrastinate(),
        contestants.domain_events(),
        contestants.celery_outbox(),
        contestants.jaiminho(),
    )
    return take_turns(
        {each.name: _committing(arena, each, events) for each in those},
        rounds=rounds,
        progress=progress,
    )


def _committing(arena: Arena, contestant: Contestant, events: int) -> Callable[[], float]:
    return lambda: commit(arena, contestant, events)


def commit(arena: Arena, contestant: Contestant, events: int) -> float:
    """
    Return commits a second. Nobody delivers meanwhile: that would measure two things at once.

    Guzo's relay is a process apart from its workers and runs as it is. Of the others, where relay
    and worker are one, a connection stands in that listens as it would.
    """
    arena.begin(contestant)
    if contestant.channel:
        with _listening(arena, contestant):
            seconds = arena.produce(contestant, events, CONNECTIONS, PROCESSES)
    elif contestant.database == "guzo_engine":
        with arena.running(contestant):
            seconds = arena.produce(contestant, events, CONNECTIONS, PROCESSES)
    else:
        seconds = arena.produce(contestant, events, CONNECTIONS, PROCESSES)
    return events / seconds


@contextmanager
def _listening(arena: Arena, contestant: Contestant) -> Iterator[None]:
    over = Event()

    def listen() -> None:
        with closing(arena.connect(contestant.database)) as connection:
            connection.autocommit = True
            connection.cursor().execute(f"listen {contestant.channel}")
            while not over.is_set():
                select.select([connection], [], [], 0.1)
                connection.poll()
                connection.notifies.clear()

    with ThreadPoolExecutor(1) as pool:
        listener = pool.submit(listen)
        try:
            yield
        finally:
            over.set()
            listener.result()
