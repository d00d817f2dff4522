import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import connection
from django.utils import timezone

from events.base import Group
from events.delivery import drain_all, drain_group
from events.relay import Relay


class Command(BaseCommand):
    help = "Deliver every due event in this process, without Celery or a broker."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--group", choices=[group.value for group in Group])
        parser.add_argument(
            "--follow", action="store_true", help="go on with what comes in, until Ctrl-C"
        )

    def handle(self, *_: Any, group: str | None, follow: bool, **__: Any) -> None:
        if follow:
            _follow([Group(group)] if group else list(Group))
            return
        count = drain_all(timezone.now, [Group(group)] if group else list(Group))
        self.stdout.write(f"{count} deliveries settled")


def _follow(groups: list[Group]) -> None:
    """Run a relay and a worker per group: none waits for another's outside world."""
    relays = [Relay([group], _drain) for group in groups]

    def stop(*_: Any) -> None:
        for relay in relays:
            relay.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with ThreadPoolExecutor(len(relays)) as threads:
        for running in [threads.submit(_run, relay) for relay in relays]:
            running.result()


def _run(relay: Relay) -> None:
    try:
        relay.run()
    finally:
        connection.close()


def _drain(group: Group) -> None:
    drain_group(group, timezone.now)
