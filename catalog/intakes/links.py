"""Links between items of a feed, into the catalog."""

from collections.abc import Mapping
from typing import Any

from catalog.feeds.read import read_links
from catalog.feeds.rows import FeedError, FeedErrorCode, FeedLinks
from catalog.intakes.intake import Counts, item_ids
from tenants.connection import connection

COUNT = """
    WITH before AS (
        SELECT item_id, kind, array_agg(linked_id ORDER BY position, id) AS linked
        FROM catalog_itemlink GROUP BY item_id, kind
    )
    SELECT count(*) FILTER (WHERE b.linked IS NULL AND f.linked <> '{}'),
           count(*) FILTER (WHERE b.linked <> f.linked)
    FROM feed_rows f LEFT JOIN before b USING (item_id, kind)
"""
REMOVE_OTHERS = """
    DELETE FROM catalog_itemlink l USING feed_rows f
    WHERE l.item_id = f.item_id AND l.kind = f.kind AND l.linked_id <> ALL (f.linked)
"""
MERGE = """
    INSERT INTO catalog_itemlink AS l (item_id, kind, linked_id, position)
    SELECT f.item_id, f.kind, named.linked_id, named.place - 1
    FROM feed_rows f, unnest(f.linked) WITH ORDINALITY AS named (linked_id, place)
    ON CONFLICT (item_id, kind, linked_id) DO UPDATE SET position = excluded.position
    WHERE l.position <> excluded.position
"""
# A feed of one kind says nothing about the others.
REMOVE_MISSING = """
    WITH removed AS (
        DELETE FROM catalog_itemlink l
        WHERE l.kind IN (SELECT kind FROM feed_rows) AND NOT EXISTS (
            SELECT 1 FROM feed_rows f WHERE f.item_id = l.item_id AND f.kind = l.kind
        )
        RETURNING item_id, kind
    )
    SELECT count(DISTINCT (item_id, kind)) FROM removed
"""


class LinkIntake:
    """What of a row is known is kept, and the rest reported: of ten links one may be gone."""

    tables: Mapping[str, str] = {"feed_rows": "item_id bigint, kind varchar, linked bigint[]"}
    read = staticmethod(read_links)

    def stage(self, rows: list[FeedLinks]) -> list[FeedError]:
        known = item_ids({row.item for row in rows} | {one for row in rows for one in row.linked})
        errors: list[FeedError] = []
        with connection.cursor() as cursor, cursor.copy("COPY feed_rows FROM STDIN") as copy:
            for row in rows:
                errors += [
                    _unknown(row, one) for one in (row.item, *row.linked) if one not in known
                ]
                if row.item in known:
                    linked = [known[one] for one in row.linked if one in known]
                    copy.write_row((known[row.item], row.kind, linked))
        return errors

    def merge(self, cursor: Any, *, full: bool) -> Counts:
        """Counts the rows of which any link is new or changed."""
        cursor.execute(COUNT)
        created, updated = cursor.fetchone() or (0, 0)
        cursor.execute(REMOVE_OTHERS)
        cursor.execute(MERGE)
        removed = 0
        if full:
            cursor.execute(REMOVE_MISSING)
            (removed,) = cursor.fetchone() or (0,)
        return Counts(created, updated, removed)


def _unknown(row: FeedLinks, external_id: str) -> FeedError:
    return FeedError(
        row=row.row,
        code=FeedErrorCode.UNKNOWN_ITEM,
        message=f"There is no item “{external_id}”.",
        external_id=row.item,
        field="item" if external_id == row.item else "linked",
        raw=external_id,
    )
