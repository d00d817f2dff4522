from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from events.base import Group
from events.delivery import drain_all, drain_group


class Command(BaseCommand):
    help = "Deliver every due event in this process, without Celery or a broker, and stop."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--group", choices=[group.value for group in Group])

    def handle(self, *_: Any, group: str | None, **__: Any) -> None:
        if group:
            count = drain_group(Group(group), timezone.now, time_slice=timedelta(days=1))
        else:
            count = drain_all(timezone.now)
        self.stdout.write(f"{count} deliveries settled")
