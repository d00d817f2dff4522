"""`/metrics`: what is owed, counted in SQL when asked, and how long handlers took."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from events.timing import collect_handler_seconds
from workers.console.metric_queries import QUERIES, MetricQuery


class GuzoCollector(Collector):
    def collect(self) -> Iterator[Metric]:
        given: dict[str, Any] = {"now": timezone.now(), "mode": settings.CHAPA_MODE}
        with connection.cursor() as cursor:
            for query in QUERIES:
                cursor.execute(query.sql, given)
                yield from _families(query, cursor.fetchall())
        yield from collect_handler_seconds()

    def describe(self) -> Iterable[Metric]:
        return []


def _families(query: MetricQuery, rows: list[tuple[Any, ...]]) -> Iterator[Metric]:
    for column, (name, text) in enumerate(query.metrics.items(), start=len(query.labels)):
        kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        family = kind(name, text, labels=query.labels)
        for row in rows:
            family.add_metric(row[: len(query.labels)], float(row[column]))
        yield family


_registry = CollectorRegistry(auto_describe=False)
_registry.register(GuzoCollector())


@require_safe
def metrics(_: HttpRequest) -> HttpResponse:
    return HttpResponse(generate_latest(_registry), content_type=CONTENT_TYPE_LATEST)
