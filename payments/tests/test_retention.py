from datetime import timedelta
from uuid import UUID

import pytest

from core.retention import KEY_LIFE
from payments import schedule
from payments.models import IncomingWebhook
from payments.services.retention import BODY_LIFE, prune_webhooks
from payments.tests.factories import NOW

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def _webhook(age: timedelta, verdict: str = "signed", body: bytes | None = b"{}") -> UUID:
    return IncomingWebhook.objects.create(
        received_at=NOW - age, verdict=verdict, digest="d", length=2, body=body, tx_ref="t"
    ).id


def test_an_old_body_is_emptied_and_what_proves_the_call_stays() -> None:
    old, young = _webhook(BODY_LIFE + DAY), _webhook(BODY_LIFE - DAY)

    assert prune_webhooks(at=NOW) == {"webhook_bodies": 1, "rejected_webhooks": 0}

    kept = IncomingWebhook.objects.get(id=old)
    assert kept.body is None
    assert (kept.verdict, kept.digest, kept.length, kept.tx_ref) == ("signed", "d", 2, "t")
    assert bytes(IncomingWebhook.objects.get(id=young).body or b"") == b"{}"


@pytest.mark.parametrize("verdict", ["forged", "unsigned"])
def test_a_rejected_call_is_forgotten_after_the_same_time(verdict: str) -> None:
    _webhook(BODY_LIFE + DAY, verdict, None)
    young = _webhook(BODY_LIFE - DAY, verdict, None)

    assert prune_webhooks(at=NOW) == {"webhook_bodies": 0, "rejected_webhooks": 1}

    assert IncomingWebhook.objects.get().id == young
    assert prune_webhooks(at=NOW) == {"webhook_bodies": 0, "rejected_webhooks": 0}


def test_a_client_key_outlives_the_watch_over_its_payment() -> None:
    assert max(schedule.BASE) < KEY_LIFE
