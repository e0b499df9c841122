"""What people say of an item, as its page shows it."""

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.item_details import newest_reviews
from catalog.models import Item, ItemRating, Review

SHOWN = 4


@dataclass(frozen=True, slots=True)
class Opinions:
    """The newest reviews of an item and its variants, and how all of them rate it on average."""

    newest: Sequence[Review]
    count: int
    average: float

    @property
    def stars(self) -> int:
        return round(self.average)


def opinions_of(item: Item) -> Opinions | None:
    """None for an item that nobody has written about. Two queries."""
    rating = ItemRating.objects.filter(item=item).first()
    if rating is None:
        return None
    return Opinions(list(newest_reviews(item, SHOWN)), rating.count, float(rating.average))
