"""`/metrics`: what is owed, counted in SQL when asked, and how long handlers took."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from events.timing import collect_handler_seconds

# name, help, labels, SQL whose rows are the labels and then the value
_GAUGES: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    (
        "guzo_deliveries",
        "Deliveries owed, by handler and state",
        ("handler", "state"),
        "select handler, state, count(*) from events_delivery group by 1, 2",
    ),
    (
        "guzo_outbox_age_seconds",
        "Age of the oldest due delivery of each group",
        ("group",),
        """select "group", greatest(0, extract(epoch from %(now)s - min(next_at)))
           from events_delivery where state in ('ready', 'retry') and next_at <= %(now)s
           group by 1""",
    ),
    (
        "guzo_relay_seen_seconds",
        "Seconds since a relay was last seen alive, by group; above 15 it is not",
        ("group",),
        """select name, extract(epoch from %(now)s - relay_seen_at) from events_lanegroup
           where relay_seen_at is not null""",
    ),
    (
        "guzo_payments",
        "Payments of the last 7 days, by status and mode",
        ("status", "mode"),
        """select status, mode, count(*) from payments_payment
           where created_at > %(now)s - interval '7 days' group by 1, 2""",
    ),
    (
        "guzo_payments_due",
        "Payments whose next look at Chapa is overdue by a minute",
        (),
        """select count(*) from payments_payment
           where next_check_at < %(now)s - interval '1 minute' and mode = %(mode)s""",
    ),
    (
        "guzo_webhooks",
        "Webhooks of the last 24 hours, by verdict",
        ("verdict",),
        """select verdict, count(*) from payments_incomingwebhook
           where received_at > %(now)s - interval '24 hours' group by 1""",
    ),
    (
        "guzo_webhooks_astray",
        "Signed webhooks that name no payment of ours: looked for again, or parked for a person",
        ("matching",),
        """select matching, count(*) from payments_incomingwebhook
           where matching in ('unmatched', 'parked') group by 1""",
    ),
    (
        "guzo_gateway_calls",
        "Calls to Chapa of the last 24 hours, by kind and outcome",
        ("kind", "outcome"),
        """select kind, outcome, count(*) from payments_gatewaycall
           where asked_at > %(now)s - interval '24 hours' group by 1, 2""",
    ),
    (
        "guzo_refunds",
        "Refunds, by state",
        ("state",),
        "select state, count(*) from payments_refund group by 1",
    ),
    (
        "guzo_bookings",
        "Bookings made in the last 7 days, by status",
        ("status",),
        """select status, count(*) from bookings_booking
           where created_at > %(now)s - interval '7 days' group by 1""",
    ),
    (
        "guzo_mails",
        "Mails of the last 24 hours, by state",
        ("state",),
        """select state, count(*) from bookings_mail
           where created_at > %(now)s - interval '24 hours' group by 1""",
    ),
)


class GuzoCollector(Collector):
    def collect(self) -> Iterator[Metric]:
        given: dict[str, Any] = {"now": timezone.now(), "mode": settings.CHAPA_MODE}
        with connection.cursor() as cursor:
            for name, text, labels, sql in _GAUGES:
                gauge = GaugeMetricFamily(name, text, labels=labels)
                cursor.execute(sql, given)
                for *values, count in cursor.fetchall():
                    gauge.add_metric(values, float(count))
                yield gauge
        yield from collect_handler_seconds()

    def describe(self) -> Iterable[Metric]:
        return []


_registry = CollectorRegistry(auto_describe=False)
_registry.register(GuzoCollector())


@require_safe
def metrics(_: HttpRequest) -> HttpResponse:
    return HttpResponse(generate_latest(_registry), content_type=CONTENT_TYPE_LATEST)
