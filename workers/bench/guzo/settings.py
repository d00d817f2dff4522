"""Guzo as it is, with the trade of the comparison beside its own, and one route."""

import os

from core.settings import *  # noqa: F403
from core.settings import DATABASES, INSTALLED_APPS
from workers.bench.guzo.script import FOLDER, ScriptedConnection, ScriptedCursor

INSTALLED_APPS = [*INSTALLED_APPS, "workers.bench.shop"]
EVENT_ROUTES = "workers.bench.guzo.engine.ROUTES"
if FOLDER in os.environ:
    DATABASES["default"]["OPTIONS"] |= {
        "connection_factory": ScriptedConnection,
        "cursor_factory": ScriptedCursor,
    }
