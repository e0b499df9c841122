"""Which items of the demo shop are bought together: the structure that training has to find."""

from collections.abc import Sequence

from demo.attraction import price_tiers
from demo.chance import chance
from demo.product_types import product_types
from demo.values import DemoItem

COMPANIONS_PER_TYPE = 2


def companions(items: Sequence[DemoItem]) -> list[tuple[int, ...]]:
    """For each item the indexes of those that complete it: a tent's sleeping bag and stove.

    Of each product type that goes with the item's own, the two nearest in brand, color and
    price.
    """
    types = {kind.path: kind for kind in product_types()}
    paths = {kind.key: kind.path for kind in product_types()}
    on_shelf: dict[tuple[str, ...], list[int]] = {}
    for index, item in enumerate(items):
        on_shelf.setdefault(item.category_path, []).append(index)
    tiers: list[float] = price_tiers(items).tolist()
    # Ties are broken by lot, or a few items of each shelf would complete everything.
    lots = [chance("companion", item.external_id).random(len(items)) for item in items]

    def nearness(index: int, other: int) -> float:
        one, two = items[index], items[other]
        color = one.attributes.get("color")
        return (
            1.0 * (one.brand == two.brand)
            + 0.6 * (color is not None and color == two.attributes.get("color"))
            - 0.8 * abs(tiers[index] - tiers[other])
            + 0.9 * float(lots[index][other])
        )

    def nearest(index: int, key: str) -> list[int]:
        others = [other for other in on_shelf.get(paths[key], ()) if other != index]
        return sorted(others, key=lambda other: nearness(index, other))[-COMPANIONS_PER_TYPE:]

    return [
        tuple(other for key in types[item.category_path].goes_with for other in nearest(index, key))
        for index, item in enumerate(items)
    ]
