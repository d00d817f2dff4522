"""Keep the whole stack running until it is told to stop."""

import os

from workers.devstack.lock import Held
from workers.devstack.plan import PROJECT, Plan, plan_up, write_settings
from workers.devstack.progress import Progress
from workers.devstack.signals import StopRequested, stop_requests
from workers.devstack.stack import running_stack
from workers.devstack.supervisor import StackFailed


def run_up(progress: Progress) -> int:
    """Return the exit code: 0 if a signal ended it, 1 if it did not start."""
    try:
        with stop_requests():
            plan = plan_up(PROJECT, os.environ)
            progress.say("Starting Guzo")
            with running_stack(plan, "make up", progress) as supervisor:
                write_settings(plan)
                _show_addresses(plan, progress)
                supervisor.keep_running()
    except StopRequested:
        progress.say("Stopped.")
        return 0
    except Held as held:
        progress.say(f"Guzo already runs in this folder ({held}).")
        return 1
    except StackFailed as failure:
        progress.say(f"\n{failure}")
        return 1


def _show_addresses(plan: Plan, progress: Progress) -> None:
    public = plan.environment["PUBLIC_URL"]
    rows = {
        "web": public,
        "API": f"{public}/api/v1/docs",
        "admin": f"{public}/admin/   operator@guzo.et / guzo-demo-operator",
        "traveller": "selam@guzo.et / guzo-demo-traveller",
        "local Chapa": f"{plan.chapa_url}/" if plan.chapa_url else None,
        "Chapa": None if plan.chapa_url else plan.environment["CHAPA_BASE_URL"],
        "mails": str(plan.mail) if plan.mail else None,
        "logs": str(plan.logs),
        "by hand": f"ENV_FILE={plan.settings_file} .venv/bin/python manage.py …",
    }
    progress.say("\nGuzo is up. Ctrl-C stops it.\n")
    for name, value in rows.items():
        if value is not None:
            progress.say(f"  {name:<14}{value}")
    progress.say()
