"""Stage 1: which items could be shown at all, and everything that ranking and serving need of them.

One statement gathers the pool (collaborative, content, popular, trending, newest, pinned), drops
what is not eligible, and reads offers as they are now.
"""

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from enum import StrEnum, auto
from functools import cache
from typing import Any, NamedTuple

from catalog.vectors import CHANGED_AT, VectorFile, find_vectors, open_vectors
from recommendations.pipeline.arrays import Vector, binary_cursor
from recommendations.segments import SEPARATOR
from recommendations.values import EMPTY_LEDGER, Ledger, OfferView, Reason, ServedItem


class Depth(NamedTuple):
    """How many candidates each generator may propose."""

    neighbors: int
    history: int
    content: int
    popular: int
    trending: int
    newest: int
    rules: int


def depth_for(limit: int, *, known: int, new: bool) -> Depth:
    """Deep enough that a slate stays full when half of the candidates fall away.

    `known` is how many items the history speaks of. Where these suffice, what merely sells fills
    gaps, and no search by content is needed: content still counts in the scores. What is new comes
    along where the slate has places for it (`new`), or little else.
    """
    wide, narrow = max(3 * limit, 30), max(limit // 2, 10)
    suffices = known >= wide
    return Depth(
        neighbors=max(2 * limit, 30),
        history=max(limit, 20),
        content=0 if suffices else max(2 * limit, 30),
        popular=narrow if suffices else wide,
        trending=narrow,
        newest=narrow if new or not suffices else 0,
        rules=narrow,
    )


class PoolItem(NamedTuple):
    """An eligible item of the pool.

    `path` is its category path, joined by SEPARATOR; `vector` what `halfvec_send` made of its
    embedding; `listed_at` when it came into the catalog, in seconds since 1970, UTC; `asked` a
    JSON list of the attributes that `gather` was asked for, in that order; `quality` the score of
    the catalog's checks, 0-100, if it was asked for.
    """

    item_id: int
    external_id: str
    kind: str
    title: str
    brand: str
    path: str
    group_id: str
    image: str
    address: str
    price: Decimal | None
    sale_price: Decimal | None
    currency: str
    stock: int | None
    popularity: float
    trend: float
    trend_now: float
    cost: Decimal | None
    listed_at: float
    asked: bytes | None
    quality: float | None
    vector: bytes | None

    @property
    def category_path(self) -> tuple[str, ...]:
        return tuple(self.path.split(SEPARATOR)) if self.path else ()

    @property
    def category(self) -> str:
        """The narrowest category, or an empty string."""
        return self.path.rpartition(SEPARATOR)[2]

    @property
    def current_price(self) -> Decimal | None:
        return self.price if self.sale_price is None else self.sale_price

    def served(
        self, ledger: Ledger = EMPTY_LEDGER, reason: Reason | None = None, promotion: str = ""
    ) -> ServedItem:
        """What a storefront shows of the item, and why."""
        offer = None
        if self.price is not None:
            in_stock = self.stock is None or self.stock > 0
            offer = OfferView(self.price, self.sale_price, self.currency, in_stock)
        return ServedItem(
            item_id=self.item_id,
            external_id=self.external_id,
            kind=self.kind,
            title=self.title,
            brand=self.brand,
            category_path=self.category_path,
            image=self.image,
            address=self.address,
            offer=offer,
            ledger=ledger,
            reason=reason,
            promotion=promotion,
        )


COLUMNS = """
    SELECT i.id, i.external_id, i.kind, i.title, i.brand,
           array_to_string(i.category_path, %(separator)s), i.group_id,
           coalesce(i.images[1], ''), i.address,
           o.price, o.sale_price, o.currency, o.stock,
           coalesce(f.popularity, 0), coalesce(f.trend, 0), coalesce(f.trend_now, 0), o.cost,
           date_part('epoch', i.created_at),
           {asked}, {quality},
           {vector}
"""
JOINED = """
    JOIN catalog_item i ON i.id = pool.item_id
    LEFT JOIN catalog_offer o ON o.item_id = i.id
    LEFT JOIN recommendations_itemfacts f ON f.item_id = i.id
    {embedded}
    WHERE %(anything)s
       OR (i.available AND i.archived_at IS NULL AND (o.stock IS NULL OR o.stock > 0))
"""
ASKED = """(
        SELECT convert_to(json_agg(i.attributes -> name ORDER BY place)::text, 'UTF8')
        FROM unnest(%(attributes)s::text[]) WITH ORDINALITY AS asked (name, place)
    )"""
QUALITY = "(SELECT q.score::float8 FROM catalog_itemquality q WHERE q.item_id = i.id)"
GATHER = "{columns} FROM unnest(%(ids)s::bigint[]) AS pool (item_id) {joined}"
GATHER_WITH_NEAR = """
    WITH near AS MATERIALIZED (
        SELECT item_id FROM catalog_itemembedding
        ORDER BY vector <#> %(query)s::halfvec LIMIT %(near)s
    ), pool AS (
        SELECT unnest(%(ids)s::bigint[]) AS item_id UNION SELECT item_id FROM near
    )
    {columns} FROM pool {joined}
"""


class Vectors(StrEnum):
    """Where the vectors of a pool come from."""

    NOWHERE = auto()
    TABLE = auto()
    FILE = auto()


VECTOR_COLUMNS = {
    Vectors.NOWHERE: "NULL::bytea",
    Vectors.TABLE: "halfvec_send(e.vector)",
    Vectors.FILE: CHANGED_AT,  # then the file says the rest
}


@cache
def statement(*, near: bool, attributes: bool, quality: bool, vectors: Vectors) -> str:
    """The statement for a case: planning what is not needed costs as much as running the rest."""
    columns = COLUMNS.format(
        asked=ASKED if attributes else "NULL::bytea",
        quality=QUALITY if quality else "NULL::float8",
        vector=VECTOR_COLUMNS[vectors],
    )
    joined = JOINED.format(
        embedded="LEFT JOIN catalog_itemembedding e ON e.item_id = i.id"
        if vectors == Vectors.TABLE
        else ""
    )
    return (GATHER_WITH_NEAR if near else GATHER).format(columns=columns, joined=joined)


def gather(
    ids: Iterable[int],
    *,
    near: int = 0,
    query: Vector | None = None,
    excluded: Collection[int] = (),
    ignore_eligibility: bool = False,
    attributes: Sequence[str] = (),
    quality: bool = False,
) -> list[PoolItem]:
    """The pool of a request: `ids`, and the `near` items nearest to `query`, as far as they may be
    shown.

    Eligible is an item that is listed, in stock where stock is counted, and not in `excluded`.
    Vectors come along when there is a `query` to compare them with, and the `attributes` and the
    quality that rules ask for. One statement; another for vectors that the file of them lacks.
    """
    opened = None if query is None else open_vectors()
    vectors = (
        Vectors.NOWHERE if query is None else Vectors.TABLE if opened is None else Vectors.FILE
    )
    parameters: dict[str, Any] = {
        "ids": "{" + ",".join(map(str, ids)) + "}",
        "separator": SEPARATOR,
        "anything": ignore_eligibility,
        "attributes": list(attributes),
    }
    searches = near > 0 and query is not None
    if near > 0 and query is not None:
        parameters["near"] = near
        parameters["query"] = "[" + ",".join(map("{:.5g}".format, query.tolist())) + "]"
    with binary_cursor() as cursor:
        cursor.execute(
            statement(near=searches, attributes=bool(attributes), quality=quality, vectors=vectors),
            parameters,
        )
        rows = [row for row in cursor.fetchall() if row[0] not in excluded]
    if opened is not None:
        rows = _with_vectors(opened, rows)
    return list(map(PoolItem._make, rows))


def _with_vectors(opened: VectorFile, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows that end in when an item was changed, with its vector instead."""
    vectors = find_vectors(opened, [row[0] for row in rows], [row[-1] for row in rows])
    return [(*row[:-1], vector) for row, vector in zip(rows, vectors, strict=True)]
