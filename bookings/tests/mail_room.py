"""Workers that mail in processes of their own; imported by those, so it imports little."""

from datetime import datetime, timedelta
from functools import partial

from django.conf import settings

from core.failpoints import Failpoint
from events.base import Group
from events.delivery import drain_group
from events.tests.cast import HandClock, await_death
from events.tests.doomed import DIED, run_worker


class MailRoom:
    """Minutes after the booking, on the project's own routes."""

    def __init__(self, port: int, began: datetime) -> None:
        self.send = partial(send_letters, port)
        self.began = began

    def die_at(self, name: Failpoint, minutes: int = 0) -> None:
        assert self._run(minutes, name) == DIED, f"{name} was not reached"
        await_death()

    def work(self, minutes: int) -> None:
        assert self._run(minutes) == 0

    def _run(self, minutes: int, name: Failpoint | None = None) -> int:
        at = self.began + timedelta(minutes=minutes)
        return run_worker(self.send, at=at, die_at=name, routes=settings.EVENT_ROUTES)


def send_letters(port: int, clock: HandClock) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    drain_group(Group.MAIL, clock)
