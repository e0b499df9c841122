"""How old is what slates are made from: embeddings, popularity, trending, the ranker."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache
from django.db.models import Max, Min
from django_tenants.utils import get_public_schema_name, schema_context

from catalog.embedding import embedder
from catalog.models import Item
from recommendations.models import ItemFacts, RankerVersion
from tenants.tasks import current_schema

KEPT_FOR = timedelta(hours=1)
"""A measure that is older says nothing; better none."""

TRENDING_REFRESHED = "trending-refreshed"


@dataclass(frozen=True, slots=True)
class Staleness:
    """What was found at `measured_at`. A moment is None where the thing never was.

    `waiting` of the `items` that are listed wait for an embedding, since `waiting_since`.
    """

    measured_at: datetime
    items: int
    waiting: int
    waiting_since: datetime | None
    facts_at: datetime | None
    trending_at: datetime | None
    trained_at: datetime | None


def measure_staleness(now: datetime) -> Staleness:
    """Measure the current tenant's, and keep it for pages and metrics. Four statements."""
    listed = Item.objects.filter(archived_at=None)
    waiting = listed.needs_embedding(embedder().version)
    since: datetime | None = waiting.aggregate(since=Min("updated_at"))["since"]
    live = RankerVersion.objects.live().first()
    found = Staleness(
        measured_at=now,
        items=listed.count(),
        waiting=waiting.count() if since else 0,
        waiting_since=since,
        facts_at=ItemFacts.objects.aggregate(at=Max("computed_at"))["at"],
        trending_at=cache.get(TRENDING_REFRESHED),
        trained_at=live.trained_at if live else None,
    )
    schema = current_schema()
    with schema_context(get_public_schema_name()):
        cache.set(_key(schema), found, KEPT_FOR.total_seconds())
    return found


def note_trending_refreshed(now: datetime) -> None:
    cache.set(TRENDING_REFRESHED, now, timeout=None)


def staleness_of(schemas: Iterable[str]) -> dict[str, Staleness]:
    """The last measures of these tenants, as far as there are any. One read of the cache."""
    keys = {_key(schema): schema for schema in schemas}
    # In the platform's own part of the cache: one read for all tenants, by the platform alone.
    with schema_context(get_public_schema_name()):
        found: dict[str, Staleness] = cache.get_many(keys)
    return {keys[key]: value for key, value in found.items()}


def _key(schema: str) -> str:
    return f"staleness:{schema}"
