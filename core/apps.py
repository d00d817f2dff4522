from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from core.functions import install_functions


class CoreConfig(AppConfig):
    name = "core"

    def ready(self) -> None:
        post_migrate.connect(_install)


def _install(app_config: AppConfig, **_: Any) -> None:
    install_functions(app_config)
