"""What reviews come to: the rating of an item with its variants, and forgetting who wrote one."""

from collections.abc import Collection

from catalog.models import Review
from tenants.connection import connection

# All variants of a group share what was written about any of them: a shoe that is praised in
# size 38 is as good in 41. Items whose last review went lose their row.
REFRESH_RATINGS = """
    WITH named AS (
        SELECT id, group_id FROM catalog_item WHERE id = ANY(%(items)s)
    ), meant AS (
        SELECT i.id, coalesce(nullif(i.group_id, ''), '/' || i.id) AS thing FROM catalog_item i
        WHERE i.id IN (SELECT id FROM named)
           OR i.group_id IN (SELECT group_id FROM named WHERE group_id <> '')
    ), rated AS (
        SELECT m.thing, count(*) AS count, round(avg(r.rating), 2) AS average
        FROM meant m JOIN catalog_review r ON r.item_id = m.id GROUP BY m.thing
    ), gone AS (
        DELETE FROM catalog_itemrating WHERE item_id IN (
            SELECT m.id FROM meant m LEFT JOIN rated USING (thing) WHERE rated.thing IS NULL
        )
    )
    INSERT INTO catalog_itemrating AS r (item_id, count, average, updated_at)
    SELECT m.id, rated.count, rated.average, now() FROM meant m JOIN rated USING (thing)
    ON CONFLICT (item_id) DO UPDATE
    SET (count, average, updated_at) = ROW (excluded.count, excluded.average, excluded.updated_at)
    WHERE (r.count, r.average) IS DISTINCT FROM (excluded.count, excluded.average)
"""


def refresh_ratings(item_ids: Collection[int]) -> None:
    """Sum the reviews of these items and of their variants up. One statement."""
    if item_ids:
        with connection.cursor() as cursor:
            cursor.execute(REFRESH_RATINGS, {"items": list(item_ids)})


def forget_author(shopper: str) -> int:
    """Take from the reviews that a shopper wrote what says so: the id, the name shown, and that
    the purchase was verified. What was said stays. Returns how many reviews were changed."""
    if not shopper:
        return 0
    return Review.objects.filter(shopper=shopper).update(shopper="", author="", verified=False)
