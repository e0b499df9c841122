"""Stage 1: which items could be shown at all, and what each generator says of them.

One statement gathers the pool (collaborative, content, popular, trending, pinned), drops what
is not eligible, and brings along what ranking needs of each item.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db import connection

from recommendations.pipeline.memory import Vector

FROM_NEIGHBORS = 200
FROM_HISTORY = 100
FROM_CONTENT = 60
FROM_POPULAR = 60
FROM_TRENDING = 30
FROM_NEWEST = 30


@dataclass(frozen=True, slots=True)
class PoolItem:
    """An eligible item of the pool. `content` is its inner product with the content query."""

    item_id: int
    brand: str
    category_path: tuple[str, ...]
    group_id: str
    popularity: float
    trend: float
    content: float

    @property
    def category(self) -> str:
        return self.category_path[-1] if self.category_path else ""


# The inner product is taken in single precision (vector, not halfvec): it orders the candidates,
# and has to agree with the ledger that is computed afterwards.
GATHER = """
    WITH near AS MATERIALIZED (
        SELECT e.item_id FROM catalog_itemembedding e
        WHERE %(query)s::halfvec IS NOT NULL
        ORDER BY e.vector <#> %(query)s::halfvec LIMIT %(near)s
    ), pool AS (
        SELECT unnest(%(ids)s::bigint[]) AS item_id
        UNION SELECT item_id FROM near
        UNION (SELECT item_id FROM recommendations_itemfacts ORDER BY popularity DESC LIMIT %(popular)s)
        UNION (SELECT item_id FROM recommendations_itemfacts ORDER BY trend DESC LIMIT %(trending)s)
        UNION (SELECT id FROM catalog_item ORDER BY id DESC LIMIT %(newest)s)
    )
    SELECT i.id, i.brand, i.category_path, i.group_id,
           coalesce(f.popularity, 0), coalesce(f.trend, 0),
           coalesce(-(e.vector::vector <#> %(query)s::vector), 0)
    FROM pool
    JOIN catalog_item i ON i.id = pool.item_id
    LEFT JOIN catalog_offer o ON o.item_id = i.id
    LEFT JOIN recommendations_itemfacts f ON f.item_id = i.id
    LEFT JOIN catalog_itemembedding e ON %(query)s::vector IS NOT NULL AND e.item_id = i.id
    WHERE NOT i.id = ANY(%(excluded)s::bigint[])
      AND (%(anything)s OR (i.available AND i.archived_at IS NULL AND (o.stock IS NULL OR o.stock > 0)))
"""


def gather(
    ids: Sequence[int],
    *,
    query: Vector | None,
    excluded: Collection[int],
    ignore_eligibility: bool = False,
) -> list[PoolItem]:
    """The pool of a request: `ids`, what lies near `query`, what sells. Only what may be shown.

    One statement. Eligible is an item that is listed, in stock where stock is counted, and not
    in `excluded`.
    """
    text = None if query is None else "[" + ",".join(f"{value:.8g}" for value in query) + "]"
    with connection.cursor() as cursor:
        cursor.execute(
            GATHER,
            {
                "query": text,
                "ids": list(ids),
                "excluded": list(excluded),
                "near": FROM_CONTENT,
                "popular": FROM_POPULAR,
                "trending": FROM_TRENDING,
                "newest": FROM_NEWEST,
                "anything": ignore_eligibility,
            },
        )
        return [
            PoolItem(item_id, brand, tuple(path), group, popularity, trend, content)
            for item_id, brand, path, group, popularity, trend, content in cursor.fetchall()
        ]
