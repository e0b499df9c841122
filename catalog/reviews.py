"""What reviews come to: the rating of an item with its variants, and forgetting who wrote one."""

from collections.abc import Collection, Iterable

from django.db.models import QuerySet

from catalog.feeds.rows import FeedReview
from catalog.models import Review
from tenants.connection import connection
from tenants.tombstones import refused

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


def written_by(shoppers: Collection[str]) -> QuerySet[Review]:
    """The reviews of those whom the shop names by these ids; of nobody for none."""
    return Review.objects.filter(shopper__in=[name for name in shoppers if name])


def forget_authors(shoppers: Collection[str]) -> int:
    """Take from the reviews that these shoppers wrote all that is of them: id, name and words.

    The stars stay, of nobody, so no rating moves. Returns how many reviews were changed.
    """
    return written_by(shoppers).update(
        shopper="", author="", title="", text="", language="", verified=False, written_at=None
    )


def without_erased(reviews: Iterable[FeedReview]) -> list[FeedReview]:
    """The reviews that may be stored: none that is of a shopper who was erased, and none that an
    erasure emptied, whoever a feed says wrote it."""
    reviews = list(reviews)
    gone = erased_of([(review.external_id, review.shopper) for review in reviews])
    return [review for review in reviews if review.external_id not in gone]


def erased_of(reviews: Collection[tuple[str, str]]) -> set[str]:
    """Which reviews, each given as its own id and that of its author, must not be stored."""
    names = {("review", review) for review, _ in reviews}
    names |= {("known", author) for _, author in reviews if author}
    erased = refused(names)
    return {
        review
        for review, author in reviews
        if ("review", review) in erased or ("known", author) in erased
    }
