"""What handlers took, counted in workers that are killed, and summed by the web process."""

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from core.tests.threads import eventually
from workers.tests.crash.conftest import Trip
from workers.tests.crash.fleet import Fleet
from workers.tests.crash.mail_server import Mailbox

pytestmark = pytest.mark.crash

WORKERS = ("worker-core", "worker-chapa", "worker-mail", "relay")


def _delivered(fleet: Fleet) -> dict[str, float]:
    page = requests.get(f"{fleet.plan.web_url}/metrics", timeout=10)
    assert page.ok
    return {
        sample.labels["handler"]: sample.value
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
        if sample.name == "guzo_handler_seconds_count" and sample.labels["outcome"] == "delivered"
    }


def test_what_killed_workers_have_counted_is_counted_on(
    fleet: Fleet, trip: Trip, mailbox: tuple[Mailbox, int]
) -> None:
    path = ("settle_notified_payment", "confirm_paid_booking", "send_confirmation")
    started = _delivered(fleet)
    trip.start_payment()
    trip.pay()
    trip.await_confirmation()
    trip.assert_happened_once(mailbox[0])

    before = _delivered(fleet)
    assert all(before[handler] > started.get(handler, 0) for handler in path)
    files = sorted(fleet.plan.metrics.iterdir())
    # Core's two processes, chapa and mail with their threads, and the relay; fewer if some had
    # nothing to do.
    assert 3 <= len(files) <= 5

    for name in WORKERS:
        fleet.kill(name)
    assert _delivered(fleet) == before
    for name in WORKERS:
        fleet.launch(name)
    fleet.sql("update events_delivery set next_at = now() where handler = 'rescue_checkout'")
    rescued = before.get("rescue_checkout", 0)
    eventually(lambda: _delivered(fleet).get("rescue_checkout", 0) > rescued, within=20)

    assert _delivered(fleet).items() >= {handler: before[handler] for handler in path}.items()
    assert len(list(fleet.plan.metrics.iterdir())) <= 5
