"""Reviews by feed: good rows in, bad rows reported, ratings summed up for all variants."""

import io
import json
from decimal import Decimal
from typing import Any

import pytest

from catalog.feeds.options import FeedDefaults, FeedFormat
from catalog.feeds.read import read_reviews
from catalog.feeds.rows import FeedError, FeedReview
from catalog.importing import run_import
from catalog.models import FeedContent, FeedImport, Item, ItemRating, Review
from catalog.quality.models import ItemQuality
from catalog.quality.refresh import check_changed
from catalog.reviews import forget_authors
from tests.make import make_item

pytestmark = pytest.mark.usefixtures("tenant")

MAGENTO = (
    "sku,rating_code,rating_value,title,review,reviewer,email\n"
    'BAG,Rating,2,"I prefer more pockets","Good for <b>the gym</b>.",Chi,\n'
    "BAG,Rating,5,Great,Barely any wear,Herb,\n"
    "GONE,Rating,5,Great,Barely any wear,Herb,\n"
    "BAG,Rating,6,Great,Too good,Ann,\n"
)


def imported(
    text: str, *, feed_format: str = "csv", full: bool = False, **fields: Any
) -> FeedImport:
    feed_import = FeedImport.objects.create(
        content=FeedContent.REVIEWS, format=feed_format, file_name="reviews", full=full, **fields
    )
    run_import(feed_import, io.BytesIO(text.encode()))
    feed_import.refresh_from_db()
    return feed_import


def counts(feed_import: FeedImport) -> dict[str, int]:
    names = ("rows", "created", "updated", "unchanged", "archived", "failed")
    return {name: number for name in names if (number := getattr(feed_import, name))}


def rating(item: Item) -> tuple[int, Decimal] | None:
    return ItemRating.objects.filter(item=item).values_list("count", "average").first()


def test_a_magento_export_needs_no_column_map_and_changes_nothing_twice() -> None:
    bag = make_item("BAG")
    feed_import = imported(MAGENTO)
    assert counts(feed_import) == {"rows": 4, "created": 2, "failed": 2}
    assert list(feed_import.row_errors.values_list("row", "field", "code")) == [
        (4, "item", "unknown_item"),
        (5, "rating", "invalid_rating"),
    ]
    first = Review.objects.get(author="Chi")
    assert (first.item, first.rating, first.text) == (bag, 2, "Good for the gym.")
    assert first.title == "I prefer more pockets"
    assert rating(bag) == (2, Decimal("3.50"))
    assert counts(imported(MAGENTO)) == {"rows": 4, "unchanged": 2, "failed": 2}
    assert Review.objects.count() == 2


def test_reviews_are_mapped_updated_moved_and_removed_by_their_own_ids() -> None:
    one, two = make_item("ONE"), make_item("TWO")
    columns = {"Id": "external_id", "For": "item", "Sterne": "rating", "Von": "shopper"}
    head = "Id;For;Sterne;Von\n"
    imported(f"{head}r1;ONE;4;s-1\nr2;ONE;2;\n", columns=columns)
    assert rating(one) == (2, Decimal(3))
    again = imported(f"{head}r1;TWO;4;s-1\nr2;ONE;5;\nr2;ONE;1;\n", columns=columns)
    assert counts(again) == {"rows": 3, "updated": 2, "failed": 1}
    assert (rating(one), rating(two)) == ((1, Decimal(5)), (1, Decimal(4)))
    full = imported(f"{head}r1;TWO;4;s-1\n", columns=columns, full=True)
    assert counts(full) == {"rows": 1, "unchanged": 1, "archived": 1}
    assert (rating(one), rating(two)) == (None, (1, Decimal(4)))


def test_json_lines_carry_dates_and_scales_and_every_error_of_a_row_is_told() -> None:
    item = make_item("A")
    good = {
        "item": "A",
        "rating": 9,
        "written_at": "2026-03-01",
        "verified": True,
        "language": "de",
    }
    bad = {"item": "A", "rating": "very good", "written_at": "yesterday", "title": "x" * 301}
    lines = "\n".join(map(json.dumps, (good, bad, {"rating": 3}, {"item": "A"})))
    feed_import = imported(lines, feed_format="jsonl", options={"highest_rating": 10})
    review = Review.objects.get()
    assert (review.item, review.rating, review.verified, review.language) == (item, 5, True, "de")
    assert review.written_at is not None
    assert review.written_at.isoformat() == "2026-03-01T00:00:00+00:00"
    assert {(e.row, e.field, e.code) for e in feed_import.row_errors.all()} == {
        (2, "rating", "invalid_number"),
        (2, "written_at", "invalid_date"),
        (2, "title", "too_long"),
        (3, "item", "missing_id"),
        (4, "rating", "missing_rating"),
    }


def test_what_is_told_of_a_broken_row_is_nothing_of_who_wrote_it() -> None:
    make_item("A")
    who = "canary" * 60
    lines = (
        json.dumps({"item": "A", "rating": 3, "shopper": who, "author": who, "title": who}),
        json.dumps({"item": "A", "rating": "canary?", "text": 5}),
        f'{{"item": "A", "shopper": "{who}"',
    )
    feed_import = imported("\n".join(lines), feed_format="jsonl")
    errors = {(e.row, e.field): f"{e.message} {e.raw}" for e in feed_import.row_errors.all()}
    assert {(1, "shopper"), (1, "author"), (1, "title"), (2, "rating"), (3, "")} <= errors.keys()
    assert "canary?" in errors.pop((2, "rating")), "what is not of a person is told"
    assert "canary" not in str(errors)


@pytest.mark.parametrize(
    ("raw", "highest", "stars"),
    [("1", 5, 1), ("4.5", 5, 5), ("4/5", 5, 4), ("8 / 10", 5, 4), ("1", 10, 1), ("87", 100, 4)],
)
def test_a_rating_is_scaled_to_five_stars(raw: str, highest: int, stars: int) -> None:
    rows = read_reviews(
        io.BytesIO(f"item,rating\nA,{raw}\n".encode()),
        format=FeedFormat.CSV,
        defaults=FeedDefaults(highest_rating=highest),
    )
    [review] = [row for row in rows if isinstance(row, FeedReview)]
    assert review.rating == stars


@pytest.mark.parametrize("raw", ["0", "6", "-1", "5/0", "5/200", "NaN", "many", "1e99"])
def test_a_rating_out_of_range_is_an_error_of_its_row(raw: str) -> None:
    rows = read_reviews(io.BytesIO(f"item,rating\nA,{raw}\n".encode()), format=FeedFormat.CSV)
    [error] = [row for row in rows if isinstance(row, FeedError)]
    assert error.field == "rating"


def test_a_file_without_the_needed_columns_or_of_another_format_fails_whole() -> None:
    make_item("A")
    assert "missing_columns" in imported("sku,title\nA,Good\n").failure
    assert "unknown_format" in imported("x", feed_format="google_xml").failure
    assert "invalid_column_map" in imported("a,b\n", columns={"a": "price"}).failure
    assert not Review.objects.exists()


def test_all_variants_share_the_rating_of_their_group() -> None:
    head = make_item("SHOE", group_id="SHOE", available=False)
    small, large, other = (
        make_item("S", group_id="SHOE"), make_item("L", group_id="SHOE"), make_item("O"),
    )  # fmt: skip
    imported("item,rating\nSHOE,5\nS,2\nO,1\n")
    assert {rating(item) for item in (head, small, large)} == {(2, Decimal("3.50"))}
    assert rating(other) == (1, Decimal(1))


def test_a_first_review_mends_the_flaw_of_having_none() -> None:
    item = make_item("A")
    check_changed()
    assert "no_reviews" in ItemQuality.objects.get(item=item).flaws
    imported("item,rating\nA,5\n")
    check_changed()
    assert "no_reviews" not in ItemQuality.objects.get(item=item).flaws


def test_an_author_can_be_forgotten_and_the_stars_stay() -> None:
    item = make_item("A")
    imported("item,rating,text,author,shopper,verified\nA,5,Fine,Ann P.,s-1,yes\nA,4,Ok,Bo,,yes\n")
    assert forget_authors(["s-1"]) == 1
    review = Review.objects.get(rating=5)
    assert (review.author, review.shopper, review.text, review.verified) == ("", "", "", False)
    assert Review.objects.get(text="Ok").author == "Bo"
    assert rating(item) == (2, Decimal("4.50"))
    assert forget_authors(["", "s-1"]) == 0
