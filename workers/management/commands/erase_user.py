from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from core.errors import Refusal
from workers.personal_data import erase_person


class Command(BaseCommand):
    help = "Forget a person; without --yes, only say what would go: docs/personal-data.md."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--actor", required=True, help="who decided; kept")
        parser.add_argument("--reason", required=True, help="why; kept, so name nobody in it")
        parser.add_argument("--yes", action="store_true", help="do it; there is no way back")

    def handle(self, *_: Any, email: str, actor: str, reason: str, yes: bool, **__: Any) -> None:
        if not actor.strip() or not reason.strip():
            raise CommandError("--actor and --reason must say something")
        try:
            removed = erase_person(
                email=email, actor=actor, reason=reason, at=timezone.now(), dry_run=not yes
            )
        except Refusal as refusal:
            raise CommandError(f"{refusal.title}. {refusal.detail}".strip()) from refusal
        for what, count in removed.items():
            self.stdout.write(f"{count:8}  {what}")
        self.stdout.write("erased" if yes else "nothing was changed; add --yes to do it")
