"""
The bare view again, this time within Guzo: its middleware, its addresses, its gunicorn.

What of our rate is missing to it is what intake itself costs.
"""

from core.settings import *  # noqa: F403

ROOT_URLCONF = "workers.bench.doors.behind_urls"
