"""Reviews by the batch, as the API takes them: each created, updated or refused for itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from catalog.feeds.options import FeedDefaults
from catalog.feeds.reviews import REVIEW_FIELDS, ReviewBuilder
from catalog.feeds.rows import FeedError, FeedErrorCode, FeedReview
from catalog.intakes.intake import item_ids
from catalog.models import Review
from catalog.reviews import refresh_ratings, without_erased
from catalog.written_rows import (
    CREATED,
    UNCHANGED,
    UPDATED,
    RowOutcome,
    cells_of,
    refused,
    refused_for,
)
from tenants.deadlocks import in_transaction
from tenants.tombstones import hold_still

STORED = (
    *("rating", "title", "text", "author", "shopper", "language"),
    *("verified", "written_at"),
)

UNKNOWN_ITEM = refused_for("item", FeedErrorCode.UNKNOWN_ITEM, "There is no item with this id.")


def write_reviews(rows: Sequence[Any], *, defaults: FeedDefaults) -> list[RowOutcome]:
    """Create or replace reviews; the outcome of each row, in order.

    A row is an object with the fields of REVIEW_FIELDS, read by the rules of feeds
    (docs/feeds.md). The same rows again change nothing. Ratings hold from the next request on.
    """
    builder = ReviewBuilder(defaults)
    outcomes: dict[int, RowOutcome] = {}
    good: dict[int, FeedReview] = {}
    for position, row in enumerate(rows):
        cells = cells_of(row, REVIEW_FIELDS.fields, of=REVIEW_FIELDS)
        if isinstance(cells, RowOutcome):
            outcomes[position] = cells
            continue
        read = builder.build(position, cells)
        errors = [found for found in read if isinstance(found, FeedError)]
        if errors:
            outcomes[position] = refused(errors)
        for found in read:
            if isinstance(found, FeedReview):
                good[position] = found
    known = item_ids({review.item for review in good.values()})
    for position, review in [*good.items()]:
        if review.item not in known:
            outcomes[position] = UNKNOWN_ITEM
            del good[position]
    if good:
        outcomes |= in_transaction(lambda: _store(good, known))
    return [outcomes[position] for position in range(len(rows))]


def _store(good: Mapping[int, FeedReview], known: Mapping[str, int]) -> dict[int, RowOutcome]:
    hold_still()
    living = {review.external_id for review in without_erased(good.values())}
    # Of somebody who was erased: passed over quietly.
    outcomes = {at: UNCHANGED for at, review in good.items() if review.external_id not in living}
    good = {at: review for at, review in good.items() if review.external_id in living}
    # In one order: two requests with the same reviews must lock them alike.
    there = {
        review.external_id: review
        for review in Review.objects.select_for_update()
        .filter(external_id__in=[review.external_id for review in good.values()])
        .order_by("pk")
    }
    new: list[Review] = []
    changed: list[Review] = []
    touched: set[int] = set()
    for position, given in good.items():
        values = {"item_id": known[given.item], **{n: getattr(given, n) for n in STORED}}
        kept = there.get(given.external_id)
        if kept is None:
            new.append(Review(external_id=given.external_id, **values))
            outcomes[position] = CREATED
        elif all(getattr(kept, name) == value for name, value in values.items()):
            outcomes[position] = UNCHANGED
            continue
        else:
            touched.add(kept.item_id)
            for name, value in values.items():
                setattr(kept, name, value)
            changed.append(kept)
            outcomes[position] = UPDATED
        touched.add(known[given.item])
    # Another request may store the same new reviews at this moment: the first of them stays.
    Review.objects.bulk_create(new, ignore_conflicts=True)
    Review.objects.bulk_update(changed, ["item", *STORED])
    refresh_ratings(touched)
    return outcomes
