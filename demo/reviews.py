"""What people write about the items of the demo catalogs."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from demo.chance import chance, pick
from demo.course_catalog import academy_listings
from demo.personas import names
from demo.shop_catalog import shop_listings
from demo.values import DemoItem, DemoReview

REVIEW_VOCABULARY = Path(__file__).parent / "vocabulary" / "reviews.toml"

REVIEWS_PER_ITEM = 2.6
"""On average, before those that repeat another; few items have many, some have none."""
WRITTEN_WITHIN_DAYS = 400
# From 1 to 5 stars, as shops usually see them.
SHARES_OF_RATINGS = (0.04, 0.06, 0.13, 0.29, 0.48)


@dataclass(frozen=True, slots=True)
class Remarks:
    """Sentences about an item."""

    praise: tuple[str, ...]
    gripe: tuple[str, ...]


def reviews(items: Sequence[DemoItem], seed: int) -> tuple[DemoReview, ...]:
    """Reviews of the items: some 1,000 for the shop, the same for the same seed."""
    return tuple(review for item in items for review in _reviews_of(item, seed))


def some_rating(rng: np.random.Generator) -> int:
    """1 to 5 stars, mostly 4 or 5."""
    return 1 + int(np.searchsorted(np.cumsum(SHARES_OF_RATINGS), rng.random() * 0.9999))


def review_text(item_id: str, rating: int, rng: np.random.Generator) -> str:
    """One or two sentences about an item of either catalog, as content as the rating."""
    remarks, general = _remarks()[item_id], _general_remarks()
    if rating >= 4:
        about_it, in_general = pick(remarks.praise, rng), pick(general["pleased"], rng)
    elif rating == 3:
        about_it = pick(remarks.praise + remarks.gripe, rng)
        in_general = pick(general["fair"] if about_it in remarks.praise else remarks.praise, rng)
    else:
        about_it, in_general = pick(remarks.gripe, rng), pick(general["sorry"], rng)
    return f"{about_it} {in_general}" if rng.random() < 0.6 else about_it


def _reviews_of(item: DemoItem, seed: int) -> Iterable[DemoReview]:
    rng = chance("reviews", seed, item.external_id)
    told: set[str] = set()
    for _ in range(int(rng.poisson(rng.exponential(REVIEWS_PER_ITEM)))):
        rating = some_rating(rng)
        text = review_text(item.external_id, rating, rng)
        days_ago = 1 + int(rng.integers(WRITTEN_WITHIN_DAYS))
        author = f"{pick(names().women + names().men, rng)} {pick(names().family, rng)[0]}."
        # Two people seldom praise one thing in the same words.
        sentences = {sentence.strip(" .") for sentence in text.split(". ")}
        if sentences.isdisjoint(told):
            told |= sentences
            yield DemoReview(
                item=item.external_id, author=author, rating=rating, text=text, days_ago=days_ago
            )


@cache
def _remarks() -> Mapping[str, Remarks]:
    """Remarks by external id, for both catalogs."""
    of_products = {
        listing.item.external_id: Remarks(listing.model.praise, listing.model.gripe)
        for listing in shop_listings()
    }
    of_courses = {
        listing.item.external_id: Remarks(listing.track.subject.praise, listing.track.subject.gripe)
        for listing in academy_listings()
    }
    return of_products | of_courses


@cache
def _general_remarks() -> Mapping[str, tuple[str, ...]]:
    entry = tomllib.loads(REVIEW_VOCABULARY.read_text(encoding="utf-8"))
    return {mood: tuple(sentences) for mood, sentences in entry.items()}
