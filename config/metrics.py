"""What is measured of every tenant, for Prometheus: on the platform's own host only."""

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime

from django.db import DatabaseError
from django.utils import timezone
from django_tenants.utils import get_public_schema_name, schema_context
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from recommendations.staleness import Staleness, staleness_of
from tenants.models import Tenant
from tenants.settled import settled

logger = logging.getLogger(__name__)

GAUGES = {
    "attune_items": "Items that are listed.",
    "attune_embeddings_waiting": "Listed items whose text waits to be embedded.",
    "attune_embeddings_waiting_seconds": "How long the oldest of them waits.",
    "attune_facts_age_seconds": "Since popularity and the trend of the week were computed.",
    "attune_trending_age_seconds": "Since it was found what is trending now.",
    "attune_ranker_age_seconds": "Since the live ranker's neighbors and weights were trained.",
    "attune_staleness_age_seconds": "Since all of this was measured.",
}
"""Each has one label, the tenant's schema, so there are as many series as tenants and no more."""


class StalenessCollector(Collector):
    """Reads what the workers measured: one look into the cache for all tenants, no query."""

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return []  # else registering would collect, before there is a database

    def collect(self) -> Iterator[GaugeMetricFamily]:
        gauges = {
            name: GaugeMetricFamily(name, told, labels=["tenant"]) for name, told in GAUGES.items()
        }
        now = timezone.now()
        for schema, measured in staleness_of(_schemas()).items():
            for name, value in _values(measured, now).items():
                if value is not None:
                    gauges[name].add_metric([schema], value)
        yield from gauges.values()


def _schemas() -> tuple[str, ...]:
    """Every tenant's, settled. None while they cannot be read: metrics are asked for then, too."""
    try:
        with schema_context(get_public_schema_name()):
            return settled("schemas", _read_schemas) or ()
    except DatabaseError:
        logger.exception("Metrics are told without the tenants': the database is out")
        return ()


def _read_schemas() -> tuple[str, ...]:
    return tuple(Tenant.objects.order_by("schema_name").values_list("schema_name", flat=True))


def _values(measured: Staleness, now: datetime) -> dict[str, float | None]:
    def age(moment: datetime | None) -> float | None:
        return None if moment is None else max(0.0, (now - moment).total_seconds())

    return {
        "attune_items": measured.items,
        "attune_embeddings_waiting": measured.waiting,
        "attune_embeddings_waiting_seconds": age(measured.waiting_since) or 0.0,
        "attune_facts_age_seconds": age(measured.facts_at),
        "attune_trending_age_seconds": age(measured.trending_at),
        "attune_ranker_age_seconds": age(measured.trained_at),
        "attune_staleness_age_seconds": age(measured.measured_at),
    }


REGISTRY.register(StalenessCollector())
