"""How strongly each demo shopper is drawn to each item, before knowing what it is for."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from demo.values import DemoItem, DemoShopper, PriceBand

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.intp]

POPULARITY_EXPONENT = 0.8
LIKED_BRAND = 2.5
LIKED_COLOR = 2.0
SALE_FOR_BARGAIN_HUNTERS = 1.6
PRICE_BAND_AT: Final[dict[PriceBand, float]] = {"low": 0.15, "middle": 0.5, "high": 0.85}
"""Where a price band lies among the prices of a shelf: 0 is the cheapest item, 1 the dearest."""
PRICE_TOLERANCE = 0.4


def attraction(
    items: Sequence[DemoItem], shoppers: Sequence[DemoShopper], rng: np.random.Generator
) -> FloatArray:
    """One row per shopper, one column per item; only the ratios within a row mean something.

    Popularity follows a power law (the item of rank r weighs r^-0.8); brand, color and price
    make a favorite of the right item of a shelf.
    """
    popularity = (rng.permutation(len(items)) + 4.0) ** -POPULARITY_EXPONENT
    tiers = price_tiers(items)
    brands = np.array([item.brand for item in items])
    colors = np.array([str(item.attributes.get("color", "")) for item in items])
    on_sale = np.array([item.sale_price is not None for item in items])
    rows = []
    for shopper in shoppers:
        taste = shopper.taste
        distance = (tiers - PRICE_BAND_AT[taste.price_band]) / PRICE_TOLERANCE
        row = popularity * np.exp(-(distance**2))
        row[np.isin(brands, list(taste.brands))] *= LIKED_BRAND
        row[np.isin(colors, list(taste.colors))] *= LIKED_COLOR
        if taste.price_band == "low":
            row[on_sale] *= SALE_FOR_BARGAIN_HUNTERS
        rows.append(row)
    return np.array(rows)


def price_tiers(items: Sequence[DemoItem]) -> FloatArray:
    """Where each price lies among those of its category path, from 0 to 1."""
    prices = np.array([float(item.price) for item in items])
    paths = [item.category_path for item in items]
    tiers = np.full(len(items), 0.5)
    for path in set(paths):
        here = [index for index, other in enumerate(paths) if other == path]
        low, high = prices[here].min(), prices[here].max()
        if high > low:
            tiers[here] = (prices[here] - low) / (high - low)
    return tiers


def drawn(weights: FloatArray, rng: np.random.Generator) -> int:
    """An index, with the chance its weight gives it."""
    summed = weights.cumsum()
    # The product may be rounded up to the whole sum, whose place is behind the last one.
    place = summed.searchsorted(rng.random() * summed[-1], side="right")
    return min(int(place), len(weights) - 1)
