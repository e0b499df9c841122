"""How the storefront writes prices, stock, attributes and kinds of items."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from catalog.models import Item, ItemKind, Offer
from catalog.money import amount_text
from demo.stores import Words

SYMBOLS: Mapping[str, str] = {"EUR": "€", "USD": "$", "GBP": "£"}
FEW = 5
"""From how many pieces down a shopper is told how many are left."""

KINDS: Mapping[str, str] = {
    ItemKind.PLAN: "Course",
    ItemKind.LESSON: "Lesson",
    ItemKind.ARTICLE: "Article",
    ItemKind.TRIP: "Trip",
    ItemKind.ACTION: "Idea",
}
"""What an item is called where its brand says less; products go by their brand."""

UNITS: Mapping[str, str] = {
    "cm": "cm",
    "mm": "mm",
    "m": "m",
    "m2": "m²",
    "g": "g",
    "kg": "kg",
    "gsm": "g/m²",
    "oz": "oz",
    "l": "l",
    "ml": "ml",
    "c": "°C",
    "kcal": "kcal",
    "hours": "hours",
    "minutes": "minutes",
}
"""The last word of an attribute's name, where it is a unit, and how the unit is written."""


@dataclass(frozen=True, slots=True)
class OfferWords:
    """An offer in words. `before` and `saved` are empty unless the item is on sale.

    `scarce` says that there are few left, or none any more.
    """

    price: str
    before: str
    saved: str
    hint: str
    scarce: bool
    buyable: bool


def price_text(amount: Decimal, currency: str) -> str:
    """Such as `€24.90`, `CHF 1,240.00`, or `Free`."""
    if amount == 0:
        return "Free"
    text = f"{Decimal(amount_text(amount, currency)):,}"
    symbol = SYMBOLS.get(currency)
    return f"{symbol}{text}" if symbol else f"{currency} {text}"


def offer_of(item: Item) -> Offer | None:
    """The item's offer as it was read with it, or None when it has none."""
    offer: Offer | None = getattr(item, "offer", None)
    return offer


def may_be_bought(item: Item) -> bool:
    """Listed, with a price, and in stock where stock is counted at all."""
    offer = offer_of(item)
    return item.available and item.archived_at is None and offer is not None and offer.stock != 0


def offer_words(item: Item) -> OfferWords | None:
    """What a shopper is told of price and stock, from the offer just read; None without one."""
    offer = offer_of(item)
    if offer is None:
        return None
    on_sale = offer.sale_price is not None and offer.sale_price < offer.price
    buyable = may_be_bought(item)
    return OfferWords(
        price=price_text(offer.current_price, offer.currency),
        before=price_text(offer.price, offer.currency) if on_sale else "",
        saved=f"−{100 - 100 * offer.current_price / offer.price:.0f} %" if on_sale else "",
        hint=_stock_hint(item, offer),
        scarce=not buyable or (offer.stock is not None and offer.stock <= FEW),
        buyable=buyable,
    )


def _stock_hint(item: Item, offer: Offer) -> str:
    if not item.available or item.archived_at is not None:
        return "No longer available"
    if offer.stock is None:
        return ""
    if offer.stock == 0:
        return "Sold out"
    return f"Only {offer.stock} left" if offer.stock <= FEW else "In stock"


def kind_line(item: Item) -> str:
    """The small line above a title: the brand of a product, what a lesson is and how long."""
    kind = KINDS.get(item.kind)
    if kind is None:
        return item.brand
    if hours := item.attributes.get("hours"):
        return f"{kind} · {_value_text(hours)} hours"
    if minutes := item.attributes.get("minutes"):
        return f"{kind} · {_value_text(minutes)} min"
    return kind


def by_line(item: Item) -> str:
    """Whose item it is: `by Amara Diallo`, or the brand of a product."""
    return f"by {item.brand}" if item.brand and item.kind in KINDS else item.brand


def add_words(item: Item, words: Words) -> str:
    """What the button that puts the item in the cart says."""
    return words.add.get(item.kind, "Add to cart")


def attribute_rows(item: Item) -> Iterator[tuple[str, str]]:
    """Attributes as label and value: `weight_g: 780` as (`Weight`, `780 g`)."""
    for name, value in item.attributes.items():
        if value in ("", None, []):
            continue
        stem, _, last = name.rpartition("_")
        unit = UNITS.get(last) if stem and not isinstance(value, bool) else None
        label = (stem if unit else name).replace("_", " ").capitalize()
        yield label, f"{_value_text(value)} {unit}" if unit else _value_text(value)


def _value_text(value: Any) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
