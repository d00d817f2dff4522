from collections import Counter
from datetime import timedelta
from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from payments.services.reconciling import check_due_payments, count_due_payments
from workers.devstack.progress import Bar
from workers.devstack.signals import StopRequested, stop_requests


class Command(BaseCommand):
    help = (
        "Ask Chapa about every payment that is due, in this process. Workers may go on meanwhile."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--minutes", type=int, default=60, help="begin nothing more after so many (60)"
        )

    def handle(self, *_: Any, minutes: int, **__: Any) -> None:
        # Django's stream would end each drawing's line.
        self.stdout.ending = ""
        due = count_due_payments(timezone.now())
        bar = Bar(due, cast("TextIO", self.stdout))

        def tell(verdicts: Counter[str]) -> None:
            bar.show(verdicts.total())

        try:
            with stop_requests():
                verdicts = check_due_payments(
                    timezone.now, time_slice=timedelta(minutes=minutes), tell=tell
                )
        except StopRequested as stop:
            self.stdout.write("\n  Stopped; what Chapa answered until then is written.\n")
            raise SystemExit(stop.exit_code) from None
        bar.end(verdicts.total())
        for verdict, count in verdicts.most_common():
            self.stdout.write(f"  {count:>8,}  {verdict}\n")
        if left := count_due_payments(timezone.now()):
            self.stdout.write(f"  {left:>8,}  still due: run it again, or leave them to Beat\n")
