"""From item ids to what a storefront shows: titles, pictures and offers as they are now."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db import connection

from recommendations.pipeline.arrays import half_vector
from recommendations.pipeline.memory import Vector
from recommendations.values import OfferView, ServedItem


@dataclass(frozen=True, slots=True)
class Hydrated:
    """`items` by id without their ledgers; `vectors` of those that have one; `named`: external
    id and title of every item that a reason may name."""

    items: dict[int, ServedItem]
    vectors: dict[int, Vector]
    named: dict[int, tuple[str, str]]


HYDRATE = """
    SELECT i.id, i.external_id, i.title, i.kind, i.brand, i.category_path,
           coalesce(i.images[1], ''), i.address,
           o.price, o.sale_price, o.currency, o.stock,
           CASE WHEN %(with_vectors)s THEN halfvec_send(e.vector) END
    FROM catalog_item i
    LEFT JOIN catalog_offer o ON o.item_id = i.id
    LEFT JOIN catalog_itemembedding e ON %(with_vectors)s AND e.item_id = i.id
    WHERE i.id = ANY(%(served)s::bigint[])
    UNION ALL
    SELECT id, external_id, title, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM catalog_item WHERE id = ANY(%(named)s::bigint[])
"""


def hydrate(
    item_ids: Sequence[int], *, named: Collection[int] = (), with_vectors: bool = False
) -> Hydrated:
    """Read the items to serve, and the titles of the items that reasons may name. One query."""
    items: dict[int, ServedItem] = {}
    vectors: dict[int, Vector] = {}
    names: dict[int, tuple[str, str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            HYDRATE,
            {
                "served": list(item_ids),
                "named": [item for item in named if item not in item_ids],
                "with_vectors": with_vectors,
            },
        )
        for (
            item_id, external_id, title, kind, brand, path, image, address,
            price, sale_price, currency, stock, vector,
        ) in cursor.fetchall():  # fmt: skip
            names[item_id] = (external_id, title)
            if kind is None:
                continue
            offer = (
                None
                if price is None
                else OfferView(price, sale_price, currency, in_stock=stock is None or stock > 0)
            )
            items[item_id] = ServedItem(
                item_id, external_id, kind, title, brand, tuple(path), image, address, offer
            )
            if vector is not None:
                vectors[item_id] = half_vector(vector)
    return Hydrated(items, vectors, names)
