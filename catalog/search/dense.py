"""What means something like the text, and what holds of a candidate right now: one statement."""

import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import orjson

from catalog.embedding import embedder, encode_query
from catalog.models import EMBEDDING_DIMENSIONS
from catalog.search.conditions import FROM_ITEMS, IS_IN_STOCK, PRICE, where
from catalog.search.values import Filter
from tenants.connection import connection
from tenants.outage import require_database

MOST_KEPT: Final = 5_000
"""Query vectors that one process keeps, 4 KB each: encoding a text costs as much as searching."""

EXACT_UP_TO: Final = 2_000
"""Of so few items that filters leave, all are compared: exact, and faster than the index."""

_kept: OrderedDict[tuple[str, str], str] = OrderedDict()
_lock = threading.Lock()

NEAR: Final = f"""
    SELECT e.item_id, -(e.vector <#> %s::halfvec({EMBEDDING_DIMENSIONS})) AS similarity
    FROM catalog_itemembedding e JOIN ({FROM_ITEMS}) ON i.id = e.item_id
    WHERE e.model_version = %s AND {{condition}}
    ORDER BY e.vector <#> %s::halfvec({EMBEDDING_DIMENSIONS}) LIMIT %s
"""

# Adding nothing keeps the planner from the approximate index, which finds few of so few.
NEAR_AMONG: Final = f"""
    SELECT e.item_id, -(e.vector <#> %s::halfvec({EMBEDDING_DIMENSIONS})) AS similarity
    FROM catalog_itemembedding e
    WHERE e.item_id = ANY(%s) AND e.model_version = %s
    ORDER BY (e.vector <#> %s::halfvec({EMBEDDING_DIMENSIONS})) + 0 LIMIT %s
"""

CANDIDATES: Final = f"""
    WITH near AS MATERIALIZED ({{near}})
    SELECT i.id, near.similarity FROM {FROM_ITEMS} LEFT JOIN near ON near.item_id = i.id
    WHERE i.id = ANY (ARRAY(SELECT item_id FROM near) || %s::bigint[]) AND {{condition}}
"""

LIVE: Final = f"""
    SELECT i.id, NULL::float8 FROM {FROM_ITEMS} WHERE i.id = ANY(%s) AND {{condition}}
"""


SOLD: Final = f"SELECT i.id, {PRICE}, i.created_at FROM {FROM_ITEMS} WHERE i.id = ANY(%s)"
IN_STOCK_OF: Final = f"SELECT i.id FROM {FROM_ITEMS} WHERE i.id = ANY(%s) AND {IS_IN_STOCK}"

Live = dict[int, float | None]
"""The items that are listed and within the filters at this moment. Of those nearest to the text,
the cosine to it."""


def vector_of(text: str) -> str:
    """The text as a vector, written as Postgres reads it. Raises EmbedderUnavailable."""
    model = embedder()
    place = model.version, text.casefold()
    with _lock:
        if place in _kept:
            _kept.move_to_end(place)
            return _kept[place]
    (vector,) = encode_query(text)
    written = orjson.dumps(vector.round(5), option=orjson.OPT_SERIALIZE_NUMPY).decode()
    with _lock:
        _kept[place] = written
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
    return written


def look(
    ids: Collection[int],
    filters: Sequence[Filter],
    *,
    vector: str | None = None,
    near: int = 0,
    among: Sequence[int] | None = None,
) -> Live:
    """Those of `ids` that hold right now, and the `near` items nearest to the vector that do.

    `among` are all that the filters leave, where they are few. One statement. Raises DatabaseError.
    """
    require_database()
    condition, given = where(filters)
    if vector is None:
        if not ids:
            return {}
        sql, values = LIVE.format(condition=condition), [list(ids), *given]
    else:
        version = embedder().version
        inner: list[Any]
        if among is not None:
            nearest, inner = NEAR_AMONG, [vector, list(among), version, vector, near]
        else:
            nearest, inner = (
                NEAR.format(condition=condition),
                [vector, version, *given, vector, near],
            )
        sql = CANDIDATES.format(near=nearest, condition=condition)
        values = [*inner, list(ids), *given]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return dict(cursor.fetchall())


def prices_and_ages(ids: Collection[int]) -> dict[int, tuple[Decimal | None, datetime]]:
    """What the items cost now, and since when they are listed. Raises DatabaseError."""
    with connection.cursor() as cursor:
        cursor.execute(SOLD, [list(ids)])
        return {pk: (price, created_at) for pk, price, created_at in cursor.fetchall()}


def in_stock(ids: Collection[int]) -> set[int]:
    """Which of the items can be bought now. Raises DatabaseError."""
    with connection.cursor() as cursor:
        cursor.execute(IN_STOCK_OF, [list(ids)])
        return {pk for (pk,) in cursor.fetchall()}
