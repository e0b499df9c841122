"""From clean rows to the catalog: the statements by which items and offers are merged.

`source` is whatever holds the rows in a FROM clause: a feed's temporary table, or the rows of one
request as JSON.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from catalog.feeds.rows import FeedItem

ITEM_COLUMNS = {
    "external_id": "varchar",
    "kind": "varchar",
    "title": "varchar",
    "description": "text",
    "brand": "varchar",
    "category_path": "varchar[]",
    "attributes": "jsonb",
    "images": "varchar[]",
    "address": "varchar",
    "language": "varchar",
    "group_id": "varchar",
    "available": "boolean",
}
OFFER_COLUMNS = {
    "price": "numeric",
    "sale_price": "numeric",
    "currency": "varchar",
    "cost": "numeric",
    "stock": "integer",
}
COLUMNS = {**ITEM_COLUMNS, **OFFER_COLUMNS}
DEFINITIONS = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())


def listed(names: Iterable[str], prefix: str = "") -> str:
    return ", ".join(prefix + name for name in names)


def merge_items(source: str) -> str:
    """Inserts and changes items; returns id, external id, and whether it is new, of those touched.

    An item that the rows say nothing new about is not touched.
    """
    return f"""
        INSERT INTO catalog_item ({listed(ITEM_COLUMNS)}, created_at, updated_at)
        SELECT {listed(ITEM_COLUMNS)}, now(), now() FROM {source}
        ON CONFLICT (external_id) DO UPDATE
        SET ({listed(ITEM_COLUMNS)}, archived_at, updated_at)
            = ROW ({listed(ITEM_COLUMNS, "excluded.")}, NULL, now())
        WHERE ({listed(ITEM_COLUMNS, "catalog_item.")})
              IS DISTINCT FROM ({listed(ITEM_COLUMNS, "excluded.")})
           OR catalog_item.archived_at IS NOT NULL
        RETURNING id, external_id, xmax = 0 AS created
    """  # noqa: S608  # made of the column names above


def changed_offers(source: str) -> str:
    """Returns id and external id of the items whose offer the rows change; run it before merging.

    An offer that changes makes its item count as updated, without touching it: what a price says
    is no reason to embed the text anew.
    """
    return f"""
        SELECT i.id, i.external_id FROM {source}
        JOIN catalog_item i USING (external_id) LEFT JOIN catalog_offer o ON o.item_id = i.id
        WHERE given.price IS NOT NULL
          AND ({listed(OFFER_COLUMNS, "given.")}) IS DISTINCT FROM ({listed(OFFER_COLUMNS, "o.")})
    """  # noqa: S608  # made of the column names above


def merge_offers(source: str) -> str:
    """Writes the offers, also where nothing changed: the merchant has just said that they hold."""
    return f"""
        INSERT INTO catalog_offer (item_id, {listed(OFFER_COLUMNS)}, refreshed_at)
        SELECT i.id, {listed(OFFER_COLUMNS, "given.")}, now()
        FROM {source} JOIN catalog_item i USING (external_id) WHERE given.price IS NOT NULL
        ON CONFLICT (item_id) DO UPDATE
        SET ({listed(OFFER_COLUMNS)}, refreshed_at)
            = ROW ({listed(OFFER_COLUMNS, "excluded.")}, excluded.refreshed_at)
    """  # noqa: S608  # made of the column names above


def cells(item: FeedItem) -> Iterator[Any]:
    """The values of an item in the order of COLUMNS, as the database takes them."""
    for name in COLUMNS:
        value = getattr(item, name)
        match name:
            case "attributes":
                yield json.dumps(value)
            case "category_path" | "images":
                yield list(value)
            case "group_id":
                yield value or ""
            case _:
                yield value
