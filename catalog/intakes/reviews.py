"""Reviews of a feed, into the catalog."""

from collections.abc import Mapping
from typing import Any

from catalog.feeds.read import read_reviews
from catalog.feeds.rows import FeedError, FeedErrorCode, FeedReview
from catalog.intakes.intake import Counts, item_ids
from catalog.reviews import erased_of, refresh_ratings, without_erased
from tenants.connection import connection
from tenants.tombstones import hold_still, latest

COLUMNS = {
    "external_id": "varchar",
    "item_id": "bigint",
    "rating": "smallint",
    "title": "varchar",
    "text": "text",
    "author": "varchar",
    "shopper": "varchar",
    "language": "varchar",
    "verified": "boolean",
    "written_at": "timestamptz",
}
NAMES = ", ".join(COLUMNS)
OURS = ", ".join(f"r.{name}" for name in COLUMNS)
THEIRS = ", ".join(f"excluded.{name}" for name in COLUMNS)

# An item may lose a review to another, when the shop corrects what it was about.
RATED_BEFORE = """
    SELECT r.item_id FROM catalog_review r JOIN feed_rows f USING (external_id)
    WHERE r.item_id <> f.item_id
"""
MERGE_REVIEWS = f"""
    INSERT INTO catalog_review AS r ({NAMES}, created_at)
    SELECT {NAMES}, now() FROM feed_rows
    ON CONFLICT (external_id) DO UPDATE SET ({NAMES}) = ROW ({THEIRS})
    WHERE ({OURS}) IS DISTINCT FROM ({THEIRS})
    RETURNING item_id, xmax = 0
"""  # noqa: S608  # made of the column names
STAGED = """
    SELECT DISTINCT external_id, shopper FROM feed_rows
    WHERE external_id > %s ORDER BY external_id LIMIT 5000
"""
REMOVE_MISSING = """
    DELETE FROM catalog_review r
    WHERE EXISTS (SELECT 1 FROM feed_rows)
      AND NOT EXISTS (SELECT 1 FROM feed_rows f WHERE f.external_id = r.external_id)
      AND NOT EXISTS (SELECT 1 FROM feed_failed f WHERE f.external_id = r.external_id)
    RETURNING item_id
"""


class ReviewIntake:
    tables: Mapping[str, str] = {
        "feed_rows": ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items()),
        "feed_staged_at": "tombstone bigint, erased integer",
    }
    read = staticmethod(read_reviews)

    def stage(self, rows: list[FeedReview]) -> list[FeedError]:
        known = item_ids({review.item for review in rows})
        # Asked before the copy, which has the connection to itself.
        asked_at = latest()
        wanted = without_erased(rows)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO feed_staged_at VALUES (%s, %s)", [asked_at, len(rows) - len(wanted)]
            )
        with (
            connection.cursor() as cursor,
            cursor.copy(f"COPY feed_rows ({NAMES}) FROM STDIN") as copy,
        ):
            for review in wanted:
                if review.item in known:
                    values = {"item_id": known[review.item]}
                    copy.write_row(tuple(values.get(n) or getattr(review, n) for n in COLUMNS))
        return [unknown_item(review) for review in rows if review.item not in known]

    def _leave_out_erased(self, cursor: Any) -> bool:
        """Ask once more, for somebody may have been erased since the rows were staged; from here
        on nobody is until they are merged. Whether any row was of somebody who was erased."""
        hold_still()
        cursor.execute("SELECT coalesce(sum(erased), 0) FROM feed_staged_at")
        left_out = cursor.fetchone()[0] > 0
        cursor.execute("SELECT count(*) FROM feed_staged_at WHERE tombstone < %s", [latest()])
        if not cursor.fetchone()[0]:
            return bool(left_out)
        after = ""
        while True:
            cursor.execute(STAGED, [after])
            if not (rows := cursor.fetchall()):
                return bool(left_out)
            gone = erased_of(rows)
            left_out |= bool(gone)
            cursor.execute("DELETE FROM feed_rows WHERE external_id = ANY(%s)", [sorted(gone)])
            after = rows[-1][0]

    def merge(self, cursor: Any, *, full: bool) -> Counts:
        names_erased = self._leave_out_erased(cursor)
        cursor.execute("ANALYZE feed_rows")
        cursor.execute(RATED_BEFORE)
        touched = {item for (item,) in cursor.fetchall()}
        cursor.execute(MERGE_REVIEWS)
        merged = cursor.fetchall()
        touched |= {item for item, _ in merged}
        removed = []
        if full:
            cursor.execute(REMOVE_MISSING)
            removed = cursor.fetchall()
            touched |= {item for (item,) in removed}
        refresh_ratings(touched)
        created = sum(is_new for _, is_new in merged)
        return Counts(created, len(merged) - created, len(removed), names_erased)


def unknown_item(review: FeedReview) -> FeedError:
    return FeedError(
        row=review.row,
        code=FeedErrorCode.UNKNOWN_ITEM,
        message=f"There is no item “{review.item}”.",
        external_id=review.external_id,
        field="item",
        raw=review.item,
    )
