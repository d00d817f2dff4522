import signal
from typing import Any

from django.core.management.base import BaseCommand

from events.base import Group
from events.relay import Relay
from workers.doorbell import Doorbell


class Command(BaseCommand):
    help = "Ring the workers when events are owed; deliver them here while the broker is away."

    def handle(self, *_: Any, **__: Any) -> None:
        relay = Relay(list(Group), Doorbell().ring)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: relay.stop())
        relay.run()
