"""Stage 1: which items could be shown at all, and what each generator says of them.

One statement gathers the pool (collaborative, content, popular, trending, newest, pinned), drops
what is not eligible, and brings along what ranking needs of each item.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from django.db import connection

from recommendations.pipeline.memory import Vector


class Depth(NamedTuple):
    """How many candidates each generator may propose."""

    neighbors: int
    history: int
    content: int
    popular: int
    trending: int
    newest: int


def depth_for(limit: int, *, known: bool) -> Depth:
    """Deep enough that a slate stays full when two of three candidates fall away.

    With a history to go by (`known`) what merely sells has to fill gaps only.
    """
    wide, narrow = max(3 * limit, 30), max(limit, 10)
    return Depth(
        neighbors=wide,
        history=wide,
        content=max(2 * limit, 20),
        popular=narrow if known else wide,
        trending=narrow,
        newest=narrow,
    )


class PoolItem(NamedTuple):
    """An eligible item of the pool. `path` is its category path, joined by SEPARATOR; `content`
    its inner product with the content query."""

    item_id: int
    brand: str
    path: str
    group_id: str
    popularity: float
    trend: float
    content: float

    @property
    def category_path(self) -> tuple[str, ...]:
        return tuple(self.path.split(SEPARATOR))

    @property
    def category(self) -> str:
        """The narrowest category, or an empty string."""
        return self.path.rpartition(SEPARATOR)[2]


SEPARATOR = "\x1f"  # ASCII's own unit separator: no shop has it in a category's name

# The inner product is taken in single precision (vector, not halfvec): it orders the candidates,
# and has to agree with the ledger that is computed afterwards.
GATHER = """
    WITH content AS MATERIALIZED (
        SELECT %(query)s::vector AS query, %(query)s::halfvec AS short_query
    ), near AS MATERIALIZED (
        SELECT e.item_id FROM catalog_itemembedding e
        WHERE %(with_content)s
        ORDER BY e.vector <#> (SELECT short_query FROM content) LIMIT %(near)s
    ), pool AS (
        SELECT unnest(%(ids)s::bigint[]) AS item_id
        UNION SELECT item_id FROM near
        UNION (SELECT item_id FROM recommendations_itemfacts
               ORDER BY popularity DESC LIMIT %(popular)s)
        UNION (SELECT item_id FROM recommendations_itemfacts ORDER BY trend DESC LIMIT %(trending)s)
        UNION (SELECT id FROM catalog_item ORDER BY id DESC LIMIT %(newest)s)
    )
    SELECT i.id, i.brand, array_to_string(i.category_path, %(separator)s), i.group_id,
           coalesce(f.popularity, 0), coalesce(f.trend, 0),
           coalesce(-(e.vector::vector <#> (SELECT query FROM content)), 0)
    FROM pool
    JOIN catalog_item i ON i.id = pool.item_id
    LEFT JOIN catalog_offer o ON o.item_id = i.id
    LEFT JOIN recommendations_itemfacts f ON f.item_id = i.id
    LEFT JOIN catalog_itemembedding e ON %(with_content)s AND e.item_id = i.id
    WHERE NOT i.id = ANY(%(excluded)s::bigint[])
      AND (%(anything)s
           OR (i.available AND i.archived_at IS NULL AND (o.stock IS NULL OR o.stock > 0)))
"""


def gather(
    ids: Sequence[int],
    *,
    query: Vector | None,
    excluded: Collection[int],
    depth: Depth,
    ignore_eligibility: bool = False,
) -> list[PoolItem]:
    """The pool of a request: `ids`, what lies near `query`, what sells. Only what may be shown.

    One statement. Eligible is an item that is listed, in stock where stock is counted, and not
    in `excluded`.
    """
    text = None if query is None else "[" + ",".join(map("{:.7g}".format, query.tolist())) + "]"
    with connection.cursor() as cursor:
        cursor.execute(
            GATHER,
            {
                "query": text,
                "with_content": query is not None,
                "ids": list(ids),
                "excluded": list(excluded),
                "near": depth.content,
                "popular": depth.popular,
                "trending": depth.trending,
                "newest": depth.newest,
                "separator": SEPARATOR,
                "anything": ignore_eligibility,
            },
        )
        return [PoolItem._make(row) for row in cursor.fetchall()]
