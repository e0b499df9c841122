"""What demo data is made of: items, shoppers, events and reviews, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

ItemKind = Literal["product", "plan", "lesson", "article"]
EventKind = Literal[
    "search",
    "view",
    "add_to_cart",
    "remove_from_cart",
    "wishlist",
    "purchase",
    "return",
    "dismiss",
    "rating",
    "review",
]
Purpose = Literal["personalization", "analytics", "marketing", "language_model", "research"]
PriceBand = Literal["low", "middle", "high"]
AttributeValue = str | int | float | bool


@dataclass(frozen=True, slots=True)
class DemoItem:
    """One thing on sale. Items of one `group_id` are the same thing in other colors."""

    external_id: str
    kind: ItemKind
    title: str
    description: str
    brand: str
    category_path: tuple[str, ...]
    attributes: Mapping[str, AttributeValue]
    price: Decimal
    sale_price: Decimal | None
    cost: Decimal
    currency: str
    stock: int | None
    """Pieces in stock; None where there is nothing to run out of."""
    language: str
    group_id: str | None

    @property
    def price_now(self) -> Decimal:
        """What a shopper pays for one piece."""
        return self.price if self.sale_price is None else self.sale_price


@dataclass(frozen=True, slots=True)
class Taste:
    """What makes a demo shopper look and buy: the truth that recommendations have to find."""

    interests: Mapping[tuple[str, ...], float]
    """Weight per category path; a path not named here weighs nothing."""
    brands: frozenset[str]
    colors: frozenset[str]
    price_band: PriceBand
    visits: float
    """How often they come, relative to others; 0 for those who never did."""


@dataclass(frozen=True, slots=True)
class DemoShopper:
    """One person: a sentence for the demo page, the taste behind it, the purposes granted."""

    external_id: str
    name: str
    email: str
    summary: str
    taste: Taste
    granted: frozenset[Purpose]


@dataclass(frozen=True, slots=True)
class DemoEvent:
    """What a shopper did. `item` is None for a search; `value` is money paid or refunded.

    `rating` is 1 to 5 and comes with ratings and reviews, `text` with reviews only.
    """

    kind: EventKind
    occurred_at: datetime
    shopper: str
    session: str
    item: str | None = None
    quantity: int | None = None
    value: Decimal | None = None
    query: str | None = None
    rating: int | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class DemoReview:
    """What someone wrote about an item, `days_ago` days before the demo was made."""

    item: str
    author: str
    rating: int
    text: str
    days_ago: int
