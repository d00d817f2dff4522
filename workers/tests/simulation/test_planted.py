"""The simulation can fail: each planted bug is caught by a history that ends well without it."""

from typing import Final

import pytest

from core.testing import empty_tables
from payments.chapa.sandbox.server import RunningSandbox
from workers.simulation.history import HistoryBroken, live
from workers.simulation.world import HandClock
from workers.tests.simulation.planted import BUGS

pytestmark = [pytest.mark.simulation, pytest.mark.django_db(transaction=True)]

#: A seed that catches each, and by what. A change of the steps makes all histories other ones: find
#: them anew.
RECORDED: Final = {
    "skip_the_amount_check": (11, "captured"),
    "trust_the_webhook": (11, "captured"),
    "drop_the_lock": (14, "payments_one_capture"),
    "dedupe_on_seen": (13, "webhooks_told"),
    "resubmit_unknown_refunds": (61, "refunds at Chapa for"),
    "take_what_came_back_for_sent": (13, "ledger_proven"),
    "misread_the_list": (38, "refunded there"),
    "forget_a_letter": (103, "0 refund_failed letters"),
    "tell_of_every_order": (14, "2 refund_ordered letters"),
    "forget_what_terms_give_back": (12, "terms_give_back"),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_caught(
    bug: str, clock: HandClock, still_chapa: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed, sign = RECORDED[bug]
    live(seed, clock, still_chapa)
    empty_tables()
    BUGS[bug](monkeypatch)

    with pytest.raises(HistoryBroken, match=f"(?s)wrong:.*{sign}"):
        live(seed, clock, still_chapa)
