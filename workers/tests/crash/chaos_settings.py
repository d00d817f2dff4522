"""The project's settings, with the chaos test's own events and handlers."""

from core.settings import *  # noqa: F403

EVENT_ROUTES = "workers.tests.crash.chaos_routes.ROUTES"
