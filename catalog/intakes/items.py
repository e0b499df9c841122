"""Items and offers of a feed, into the catalog."""

from collections.abc import Mapping
from typing import Any

from catalog.feeds.read import read_feed
from catalog.feeds.rows import FeedError, FeedItem
from catalog.intakes.intake import Counts
from catalog.merging import COLUMNS, DEFINITIONS, cells, changed_offers, merge_items, merge_offers
from tenants.connection import connection

STAGED = "feed_rows AS given"

# A variant may stand before or after the row that names it, or come by another feed.
GROUP_ROWS = """
    UPDATE feed_rows f SET group_id = v.group_id FROM feed_variations v
    WHERE f.external_id = v.external_id AND f.group_id = ''
"""
GROUP_ITEMS = """
    UPDATE catalog_item i SET group_id = v.group_id, updated_at = now() FROM feed_variations v
    WHERE i.external_id = v.external_id AND i.group_id = ''
      AND NOT EXISTS (SELECT 1 FROM feed_rows f WHERE f.external_id = i.external_id)
"""
MERGE_ITEMS = f"""
    WITH merged AS ({merge_items(STAGED)})
    INSERT INTO feed_merged SELECT id, created FROM merged
"""  # noqa: S608  # made of the column names
COUNT_MERGED = f"""
    SELECT count(*) FILTER (WHERE created),
           count(*) FILTER (WHERE NOT created) + (
               SELECT count(*) FROM ({changed_offers(STAGED)}) AS changed
               WHERE changed.id NOT IN (SELECT item_id FROM feed_merged)
           )
    FROM feed_merged
"""  # noqa: S608  # made of the column names

# An item whose row was bad is in the feed all the same, and a feed without a single good row
# says nothing about the catalog.
ARCHIVE_MISSING = """
    UPDATE catalog_item i SET archived_at = now(), updated_at = now()
    WHERE archived_at IS NULL
      AND EXISTS (SELECT 1 FROM feed_rows)
      AND NOT EXISTS (SELECT 1 FROM feed_rows f WHERE f.external_id = i.external_id)
      AND NOT EXISTS (SELECT 1 FROM feed_failed f WHERE f.external_id = i.external_id)
"""


class ItemIntake:
    tables: Mapping[str, str] = {
        "feed_rows": DEFINITIONS,
        "feed_merged": "item_id bigint, created boolean",
        "feed_variations": "external_id varchar, group_id varchar",
    }
    read = staticmethod(read_feed)

    def stage(self, rows: list[FeedItem]) -> list[FeedError]:
        with connection.cursor() as cursor:
            with cursor.copy(f"COPY feed_rows ({', '.join(COLUMNS)}) FROM STDIN") as copy:
                for item in rows:
                    copy.write_row(tuple(cells(item)))
            variants = [(v, item.group_id) for item in rows for v in item.variations]
            if variants:
                with cursor.copy("COPY feed_variations FROM STDIN") as copy:
                    for variant in variants:
                        copy.write_row(variant)
        return []

    def merge(self, cursor: Any, *, full: bool) -> Counts:
        """Counts an item as updated by what it says or what it costs."""
        cursor.execute("ANALYZE feed_rows")
        cursor.execute("TRUNCATE feed_merged")
        cursor.execute(GROUP_ROWS)
        cursor.execute(GROUP_ITEMS)
        cursor.execute(MERGE_ITEMS)
        cursor.execute(COUNT_MERGED)
        created, updated = cursor.fetchone() or (0, 0)
        cursor.execute(merge_offers(STAGED))
        archived = 0
        if full:
            cursor.execute(ARCHIVE_MISSING)
            archived = cursor.rowcount
        return Counts(created, updated, archived)
