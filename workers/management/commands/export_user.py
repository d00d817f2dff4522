import json
import os
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from core.errors import Refusal
from workers.personal_data import export_person


class Command(BaseCommand):
    help = "Print everything that is held about a person as JSON: docs/personal-data.md."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--output", help="a new file, readable by you alone")

    def handle(self, *_: Any, email: str, output: str | None, **__: Any) -> None:
        try:
            held = export_person(email)
        except Refusal as refusal:
            raise CommandError(f"{refusal.title}. {refusal.detail}".strip()) from refusal
        text = json.dumps(held, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False)
        if output is None:
            self.stdout.write(text)
            return
        with _new_file(output) as file:
            file.write(f"{text}\n")


def _new_file(path: str) -> TextIO:
    try:
        return os.fdopen(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        )
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
