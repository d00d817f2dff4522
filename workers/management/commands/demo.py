import sys
from typing import Any

from django.core.management.base import BaseCommand

from workers.devstack.demo import run_demo
from workers.devstack.progress import Progress


class Command(BaseCommand):
    help = "Book and pay for one stay, from nothing, and show how it went."
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        sys.exit(run_demo(Progress()))
