"""Items by the batch, as the API takes them: each created, updated or refused for itself."""

from collections.abc import Sequence
from typing import Any

import orjson
from django.db import connection as django_connection

from catalog.feeds.columns import FIELDS
from catalog.feeds.items import ItemBuilder
from catalog.feeds.options import FeedDefaults
from catalog.feeds.rows import FeedError, FeedItem
from catalog.merging import COLUMNS, DEFINITIONS, changed_offers, merge_items, merge_offers
from catalog.tasks import embed_changed_items
from catalog.written_rows import (
    CREATED,
    UNCHANGED,
    UPDATED,
    RowOutcome,
    cells_of,
    refused,
)
from tenants.deadlocks import in_transaction
from tenants.settled import unsettle
from tenants.tasks import current_schema

ITEM_FIELDS = FIELDS - {"external_id", "variations"} | {"item"}

GIVEN = f"jsonb_to_recordset(%(rows)s::jsonb) AS given ({DEFINITIONS})"
MERGE_ITEMS = merge_items(GIVEN)
CHANGED_OFFERS = changed_offers(GIVEN)
MERGE_OFFERS = merge_offers(GIVEN)


def write_items(rows: Sequence[Any], *, defaults: FeedDefaults) -> list[RowOutcome]:
    """Create or replace items and their offers; the outcome of each row, in order.

    A row is an object with ITEM_FIELDS, read by the rules of feeds (docs/feeds.md), and says all
    of its item: what it leaves out is empty afterwards. Only a row without a price leaves the
    offer as it is. A refused row never hinders the others; the same rows again change nothing.
    """
    builder = ItemBuilder(defaults)
    outcomes: list[RowOutcome | None] = [None] * len(rows)
    good: dict[int, FeedItem] = {}
    for position, row in enumerate(rows):
        cells = cells_of(row, ITEM_FIELDS)
        if isinstance(cells, RowOutcome):
            outcomes[position] = cells
            continue
        read = builder.build(position, cells)
        errors = [found for found in read if isinstance(found, FeedError)]
        if errors:
            outcomes[position] = refused(errors)
        for found in read:
            if isinstance(found, FeedItem):
                good[position] = found
    if good:
        created, updated = in_transaction(lambda: _merge(list(good.values())))
        for position, item in good.items():
            if item.external_id in created:
                outcomes[position] = CREATED
            else:
                outcomes[position] = UPDATED if item.external_id in updated else UNCHANGED
        if created or updated:
            unsettle()  # the newest items are among what recommendations settle
            embed_changed_items.delay_on_commit(current_schema())
    return [outcome for outcome in outcomes if outcome is not None]


def _merge(items: list[FeedItem]) -> tuple[set[str], set[str]]:
    """External ids of the items that were created, and of those updated."""
    # In one order: two requests with the same items must lock them alike.
    ordered = sorted(items, key=lambda item: item.external_id)
    given = {
        "rows": orjson.dumps(
            [
                {name: getattr(item, name) for name in COLUMNS} | {"group_id": item.group_id or ""}
                for item in ordered
            ],
            default=str,  # of prices: a numeric is read from text exactly
        ).decode()
    }
    with django_connection.cursor() as cursor:
        cursor.execute(MERGE_ITEMS, given)
        merged = {external_id: created for _, external_id, created in cursor.fetchall()}
        cursor.execute(CHANGED_OFFERS, given)
        repriced = {external_id for _, external_id in cursor.fetchall()}
        cursor.execute(MERGE_OFFERS, given)
    created = {external_id for external_id, is_new in merged.items() if is_new}
    return created, (merged.keys() | repriced) - created
