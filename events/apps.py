from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from events.functions import install_functions


class EventsConfig(AppConfig):
    name = "events"

    def ready(self) -> None:
        post_migrate.connect(_install, sender=self)


def _install(**_: Any) -> None:
    install_functions()
