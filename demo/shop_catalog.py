"""What the demo shop sells: over 600 products in 14 departments, the same on every run."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from functools import cache

import numpy as np

from demo.chance import chance, pick
from demo.colors import colors
from demo.descriptions import describe
from demo.product_types import ProductModel, ProductType, product_types
from demo.values import AttributeValue, DemoItem

SHARE_ON_SALE = 0.2
CURRENCY = "EUR"
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Listing:
    """An item together with what it was made from."""

    item: DemoItem
    product_type: ProductType
    model: ProductModel
    color: str


def shop_items() -> tuple[DemoItem, ...]:
    """Every product of the demo shop."""
    return tuple(listing.item for listing in shop_listings())


@cache
def shop_listings() -> tuple[Listing, ...]:
    """Every product together with its type, model and color."""
    return tuple(
        listing
        for product_type in product_types()
        for model in product_type.models
        for listing in _listings_of(product_type, model)
    )


def slug(title: str) -> str:
    """A title as an identifier: `Maison Orée, Size 7` becomes `maison-oree-size-7`."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower().replace("'", "")).strip("-")


def _listings_of(product_type: ProductType, model: ProductModel) -> Iterator[Listing]:
    for color in model.colors or (model.tint,):
        title = model.title if len(model.colors) < 2 else f"{model.title}, {color.title()}"
        yield Listing(
            item=_item(product_type, model, title, color),
            product_type=product_type,
            model=model,
            color=color,
        )


def _item(product_type: ProductType, model: ProductModel, title: str, color: str) -> DemoItem:
    external_id = slug(title)
    rng = chance("shop item", external_id)
    sale_price, cost = _sale_price_and_cost(model.price, rng)
    several_colors = len(model.colors) > 1
    attributes: dict[str, AttributeValue] = dict(model.facts)
    if model.colors:
        attributes["color"] = color
    return DemoItem(
        external_id=external_id,
        kind="product",
        title=title,
        description=describe(
            model.text,
            details=model.says,
            closings=model.care,
            must_say=[pick(colors()[color].notes, rng)] if several_colors else [],
            rng=rng,
        ),
        brand=model.brand,
        category_path=product_type.path,
        attributes=attributes,
        price=model.price,
        sale_price=sale_price,
        cost=cost,
        currency=CURRENCY,
        stock=_stock(rng),
        language="en",
        group_id=slug(model.title) if several_colors else None,
    )


def _sale_price_and_cost(
    price: Decimal, rng: np.random.Generator
) -> tuple[Decimal | None, Decimal]:
    """A sale price for one item in five, and what the item costs the shop.

    The margin on the regular price is 30 to 60 percent; what is on sale has at least 45, so
    that a reduction of up to 35 percent still leaves the shop something.
    """
    if rng.random() >= SHARE_ON_SALE:
        return None, _cost(price, margin=rng.uniform(0.30, 0.60))
    reduced = price * Decimal(1 - rng.uniform(0.15, 0.35))
    # Prices end in .90, as the shop's other prices do.
    sale_price = max(reduced.quantize(Decimal(1), ROUND_FLOOR), Decimal(3)) + Decimal("0.90")
    return sale_price, _cost(price, margin=rng.uniform(0.45, 0.60))


def _cost(price: Decimal, *, margin: float) -> Decimal:
    return (price * Decimal(1 - margin)).quantize(CENT)


def _stock(rng: np.random.Generator) -> int:
    """Pieces on the shelf: a few items sold out, some nearly, most with plenty."""
    draw = rng.random()
    if draw < 0.04:
        return 0
    if draw < 0.12:
        return int(rng.integers(1, 6))
    return int(rng.lognormal(mean=3.6, sigma=0.7)) + 6
