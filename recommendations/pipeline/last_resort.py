"""What is served when nothing can be ranked: the merchant's list, or what was served last."""

import time
from datetime import timedelta

from django.core.cache import cache

from recommendations.pipeline.candidates import gather
from recommendations.values import EMPTY_LEDGER, RecommendationRequest, ServedItem, Slate
from tenants.connection import connection, tenant_id

NEWEST = """
    SELECT i.id FROM catalog_item i LEFT JOIN catalog_offer o ON o.item_id = i.id
    WHERE i.available AND i.archived_at IS NULL AND (o.stock IS NULL OR o.stock > 0)
      AND (cardinality(%(static)s::bigint[]) = 0 OR i.id = ANY(%(static)s::bigint[]))
      AND NOT i.id = ANY(%(excluded)s::bigint[])
    ORDER BY array_position(%(static)s::bigint[], i.id), i.id DESC LIMIT %(limit)s
"""

# Whose slate it is: the tenant's id beside the schema, for a name may be used again.
_Place = tuple[str, int | None, str]
_Remembered = tuple[float, tuple[ServedItem, ...]]

# The last good slate of each tenant and placement, for the case that cache and database are out
# at once. Bounded by placements times tenants of this process; holds nothing personal.
_remembered: dict[_Place, _Remembered] = {}

REMEMBERED_FOR = timedelta(days=1)
REFRESHED_EVERY = timedelta(minutes=1)
"""A shorter slate replaces a longer one only when that has become this old."""


def static_items(request: RecommendationRequest) -> list[ServedItem]:
    """The placement's own list, or the newest items; eligible ones only. Two queries."""
    with connection.cursor() as cursor:
        cursor.execute(
            NEWEST,
            {
                "static": list(request.placement.static_item_ids),
                "excluded": list(request.excluded_item_ids),
                "limit": request.limit,
            },
        )
        ids = [item_id for (item_id,) in cursor.fetchall()]
    items = {item.item_id: item for item in gather(ids)}
    return [items[item_id].served() for item_id in ids if item_id in items]


def last_items(request: RecommendationRequest) -> list[ServedItem]:
    """What this placement last served to a shopper it knew nothing of; maybe nothing.

    Offers are as they were then, so prices are left out: a promise is never made from memory.
    """
    _, items = _remembered.get(_place(request.placement.code), (0.0, ()))
    items = items or cache.get(_key(request.placement.code)) or ()
    return [
        item.without_offer() for item in items if item.item_id not in request.excluded_item_ids
    ][: request.limit]


def remember(slate: Slate) -> None:
    """Keep a slate that holds nothing personal for a time when nothing can be read."""
    place = _place(slate.placement)
    now = time.monotonic()
    kept_at, kept = _remembered.get(place, (0.0, ()))
    outdated = now - kept_at > REFRESHED_EVERY.total_seconds()
    if slate.items and (outdated or len(kept) < len(slate.items)):
        items = tuple(item.with_ledger(EMPTY_LEDGER) for item in slate.items)
        _remembered[place] = now, items
        cache.set(_key(slate.placement), items, REMEMBERED_FOR.total_seconds())


def _place(placement: str) -> _Place:
    return connection.schema_name, tenant_id(), placement


def _key(placement: str) -> str:
    return f"last-slate:{placement}"
