import os
from importlib import import_module

from django.apps import AppConfig


class PeersConfig(AppConfig):
    name = "workers.bench.peers"

    def ready(self) -> None:
        """Import the one peer: relays and workers know its handler from then on."""
        import_module(os.environ["BENCH_ENGINE"])
