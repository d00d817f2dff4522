import sys
from typing import Any

from django.core.management.base import BaseCommand

from workers.devstack.progress import Progress
from workers.devstack.up import run_up


class Command(BaseCommand):
    help = "Run servers and all processes on this machine until Ctrl-C."
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        sys.exit(run_up(Progress()))
