"""What is served when nothing can be ranked: the merchant's list, or what was served last."""

import time
from collections.abc import Sequence
from datetime import timedelta

from django.core.cache import cache

from recommendations.pipeline.candidates import PoolItem, gather
from recommendations.pipeline.rulebook import RuleBook, attributes_of
from recommendations.rules import for_shopper
from recommendations.values import RecommendationRequest, ServedItem, Slate
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
_Pool = tuple[tuple[PoolItem, ...], tuple[str, ...]]
"""Items as they were read, and the names of the attributes that were read of them."""

_Remembered = tuple[float, _Pool]
NOTHING: _Pool = (), ()

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
    attributes = attributes_of(request.rules)
    items = {item.item_id: item for item in gather(ids, attributes=attributes, quality=True)}
    found = [items[item_id] for item_id in ids if item_id in items]
    return [item.served() for item in _not_excluded(found, attributes, request)]


def last_items(request: RecommendationRequest) -> list[ServedItem]:
    """What this placement last served to a shopper it knew nothing of; maybe nothing.

    Offers are as they were then, so prices are left out: a promise is never made from memory.
    """
    _, remembered = _remembered.get(_place(request.placement.code), (0.0, NOTHING))
    pool, attributes = remembered if remembered[0] else _cached(request.placement.code)
    shown = [item for item in pool if item.item_id not in request.excluded_item_ids]
    allowed = _not_excluded(shown, attributes, request)
    return [item.served().without_offer() for item in allowed][: request.limit]


def remember(slate: Slate, pool: Sequence[PoolItem], attributes: Sequence[str]) -> None:
    """Keep the items of a slate that holds nothing personal for a time when nothing can be read.

    `pool` holds them as they were read, with these `attributes`: rules may begin or end meanwhile.
    """
    place = _place(slate.placement)
    now = time.monotonic()
    kept_at, (kept, _) = _remembered.get(place, (0.0, NOTHING))
    outdated = now - kept_at > REFRESHED_EVERY.total_seconds()
    if pool and (outdated or len(kept) < len(pool)):
        items = tuple(item._replace(vector=None) for item in pool), tuple(attributes)
        _remembered[place] = now, items
        cache.set(_key(slate.placement), items, REMEMBERED_FOR.total_seconds())


def _cached(placement: str) -> _Pool:
    kept: _Pool | None = cache.get(_key(placement))
    return kept or NOTHING


def _not_excluded(
    pool: Sequence[PoolItem], attributes: Sequence[str], request: RecommendationRequest
) -> list[PoolItem]:
    """What the rules in force and the placement's guard leave of these items.

    The shopper's history is not read here, so no rule for a segment holds.
    """
    guard = request.placement.guard.rules(request.facts)
    book = RuleBook((*for_shopper(request.rules, None), *guard), attributes)
    excluded = book.judge(pool, now=request.now.timestamp()).excluded
    return [item for item, out in zip(pool, excluded.tolist(), strict=True) if not out]


def _place(placement: str) -> _Place:
    return connection.schema_name, tenant_id(), placement


def _key(placement: str) -> str:
    return f"last-slate:{placement}"
