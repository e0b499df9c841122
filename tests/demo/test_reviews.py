"""The generated reviews: some for most items, none twice for one item, words fit the stars."""

from collections import Counter
from statistics import mean

from demo.course_catalog import academy_items
from demo.reviews import reviews
from demo.shop_catalog import shop_items, shop_listings

ITEMS = shop_items()
REVIEWS = reviews(ITEMS, 7)


def test_there_are_hundreds_of_reviews_of_known_items() -> None:
    assert 600 <= len(REVIEWS) <= 1_500
    assert {review.item for review in REVIEWS} <= {item.external_id for item in ITEMS}
    assert 100 <= len(reviews(academy_items(), 7)) <= 700


def test_the_same_seed_makes_the_same_reviews() -> None:
    assert reviews(ITEMS, 7) == REVIEWS
    assert reviews(ITEMS, 8) != REVIEWS


def test_ratings_are_one_to_five_and_mostly_good() -> None:
    ratings = Counter(review.rating for review in REVIEWS)
    assert set(ratings) == {1, 2, 3, 4, 5}
    assert 3.8 < mean(review.rating for review in REVIEWS) < 4.5


def test_a_text_is_short_and_no_item_has_it_twice() -> None:
    texts = Counter((review.item, review.text) for review in REVIEWS)
    assert set(texts.values()) == {1}
    assert all(10 < len(review.text) < 220 for review in REVIEWS)
    assert all(review.text[-1] in ".!?" for review in REVIEWS)
    assert all(review.days_ago > 0 for review in REVIEWS)


def test_praise_comes_with_many_stars_and_complaints_with_few() -> None:
    models = {listing.item.external_id: listing.model for listing in shop_listings()}
    for review in REVIEWS:
        if review.rating >= 4:
            assert review.text.startswith(models[review.item].praise)
        elif review.rating <= 2:
            assert review.text.startswith(models[review.item].gripe)
