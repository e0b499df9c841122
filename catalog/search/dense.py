"""What means something like the text, and what holds of a candidate right now."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Final

import orjson

from catalog.embedding import embedder, encode_query
from catalog.models import EMBEDDING_DIMENSIONS
from catalog.search.conditions import FROM_ITEMS, IS_IN_STOCK, PRICE, where
from catalog.search.values import Filter
from tenants.connection import array_of, connection
from tenants.outage import require_database

MOST_KEPT: Final = 5_000
"""Query vectors that one process keeps, 4 KB each: encoding a text costs as much as searching."""

EXACT_UP_TO: Final = 3_000
"""Of so few items that filters leave, all are compared: exact, and faster than the index."""

SCANNED: Final = 500
"""Of how many of the nearest the filters are asked at most: of fewer, so many fewer are found."""

SPARE: Final = 1.25
"""How many more than wanted are asked, for some that the filters leave are sold out by now."""

_kept: OrderedDict[tuple[str, str], str] = OrderedDict()
_lock = threading.Lock()

LOOKED_AT: Final = 100
"""How many items the approximate index keeps in view on its way to the nearest (`hnsw.ef_search`).
Where more are wanted it goes on from there; with 400 results are no better, and three times as
dear."""

# The index reads the setting when the scan begins, and the sub-query is computed before that; so
# it holds for this statement, without one of its own. The nearest come before the filters: with
# both in one query the planner may compare every item that the filters leave.
NEAR: Final = f"""
    WITH nearest AS MATERIALIZED (
        SELECT item_id, -(vector <#> %s::halfvec({EMBEDDING_DIMENSIONS})) AS similarity
        FROM catalog_itemembedding WHERE model_version = %s
        ORDER BY vector <#> (
            SELECT CASE WHEN set_config('hnsw.ef_search', '{LOOKED_AT}', true) IS NOT NULL
            THEN %s::halfvec({EMBEDDING_DIMENSIONS}) END
        ) LIMIT %s
    )
    SELECT e.item_id, e.similarity FROM nearest e JOIN ({FROM_ITEMS}) ON i.id = e.item_id
    WHERE {{condition}} ORDER BY e.similarity DESC LIMIT %s
"""

# Adding nothing keeps the planner from the approximate index, which finds few of so few.
NEAR_AMONG: Final = f"""
    SELECT e.item_id, e.similarity FROM (
        SELECT item_id, -(vector <#> %s::halfvec({EMBEDDING_DIMENSIONS})) AS similarity
        FROM catalog_itemembedding
        WHERE item_id = ANY(%s::bigint[]) AND model_version = %s
        ORDER BY (vector <#> %s::halfvec({EMBEDDING_DIMENSIONS})) + 0 LIMIT %s
    ) e JOIN ({FROM_ITEMS}) ON i.id = e.item_id WHERE {{condition}}
"""

LIVE: Final = f"""
    SELECT i.id FROM {FROM_ITEMS} WHERE i.id = ANY(%s::bigint[]) AND {{condition}}
"""


COMPARED: Final = f"""
    SELECT i.id, -(e.vector <#> %s::halfvec({EMBEDDING_DIMENSIONS}))
    FROM {FROM_ITEMS} LEFT JOIN catalog_itemembedding e ON e.item_id = i.id AND e.model_version = %s
    WHERE i.id = ANY(%s::bigint[]) AND {{condition}}
"""

SOLD: Final = f"SELECT i.id, {PRICE}, i.created_at FROM {FROM_ITEMS} WHERE i.id = ANY(%s)"
IN_STOCK_OF: Final = f"SELECT i.id FROM {FROM_ITEMS} WHERE i.id = ANY(%s) AND {IS_IN_STOCK}"

Similarities = dict[int, float]
"""The cosine of items to the text."""


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


@contextmanager
def nearest(
    vector: str,
    filters: Sequence[Filter],
    near: int,
    *,
    share: float = 1.0,
    among: Sequence[int] | None = None,
) -> Iterator[Callable[[], Similarities]]:
    """The `near` items nearest to the vector that hold right now, looked for by the database while
    the block does something else; calling what it gets waits for them. One statement.

    `share` of the items is what the filters leave: of a small one fewer than `near` are found.
    `among` are all of them, where they are few. Raises DatabaseError.
    """
    require_database()
    version = embedder().version
    condition, given = where(filters)
    if among is None:
        scanned = min(round(SPARE * near / share), SCANNED)
        sql, values = NEAR, [vector, version, vector, scanned, *given, near]
    else:
        sql, values = NEAR_AMONG, [vector, array_of(among), version, vector, near, *given]
    connection.ensure_connection()
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        connection.connection.pipeline(),
    ):
        cursor.execute(sql.format(condition=condition), values)
        yield lambda: dict(cursor.fetchall())


def look(ids: Collection[int], filters: Sequence[Filter]) -> set[int]:
    """Those of `ids` that are listed and within the filters right now. Raises DatabaseError."""
    require_database()
    if not ids:
        return set()
    condition, given = where(filters)
    with connection.cursor() as cursor:
        cursor.execute(LIVE.format(condition=condition), [array_of(ids), *given])
        return {pk for (pk,) in cursor.fetchall()}


def look_and_compare(
    ids: Collection[int], filters: Sequence[Filter], vector: str
) -> dict[int, float | None]:
    """As `look`, with the cosine of each to the vector; None for what is not embedded yet.

    Raises DatabaseError.
    """
    require_database()
    if not ids:
        return {}
    condition, given = where(filters)
    with connection.cursor() as cursor:
        cursor.execute(
            COMPARED.format(condition=condition),
            [vector, embedder().version, array_of(ids), *given],
        )
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
