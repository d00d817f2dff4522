import signal
import socket
from typing import Any

from django.core.management.base import BaseCommand

from workers.doorbell import Relay


class Command(BaseCommand):
    help = "Ring the workers when events are owed; deliver them here while the broker is away."

    def handle(self, *_: Any, **__: Any) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        relay = Relay(wakeup=ours)

        def stop(*_: Any) -> None:
            relay.stopping = True

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        # A signal ends select() at once, whenever it comes.
        signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        relay.run()
