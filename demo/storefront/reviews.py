"""What people say of an item of the demo catalogs. Made up, and kept nowhere in the product."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from demo.course_catalog import academy_items
from demo.reviews import reviews
from demo.shop_catalog import shop_items
from demo.stores import SEED
from demo.values import DemoItem, DemoReview

SHOWN = 4


@dataclass(frozen=True, slots=True)
class Opinions:
    """The newest reviews of an item, and how all of them rate it on average."""

    newest: tuple[DemoReview, ...]
    count: int
    average: float

    @property
    def stars(self) -> int:
        return round(self.average)


def opinions_of(external_id: str) -> Opinions | None:
    """None for an item that nobody has written about."""
    item = _items().get(external_id)
    written = sorted(reviews([item], SEED), key=lambda each: each.days_ago) if item else []
    if not written:
        return None
    return Opinions(
        newest=tuple(written[:SHOWN]),
        count=len(written),
        average=sum(review.rating for review in written) / len(written),
    )


@cache
def _items() -> Mapping[str, DemoItem]:
    return {item.external_id: item for item in (*shop_items(), *academy_items())}
