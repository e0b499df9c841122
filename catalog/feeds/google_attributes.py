"""What the attributes of a Google Merchant feed fill, whether they come as XML or in columns.

Names and formats: https://support.google.com/merchants/answer/7052112
"""

from collections.abc import Iterable, Iterator
from typing import Final

from catalog.feeds.columns import ColumnMap, Target
from catalog.feeds.reading import Cell

_ATTRIBUTES: Final = """
age_group color condition energy_efficiency_class gender google_product_category gtin material mpn
pattern product_highlight size size_system size_type
custom_label_0 custom_label_1 custom_label_2 custom_label_3 custom_label_4
"""

GOOGLE_COLUMNS: Final = {
    "id": "external_id",
    "title": "title",
    "description": "description",
    "link": "address",
    "image_link": "images",
    "additional_image_link": "images",
    "availability": "available",
    "price": "price",
    "sale_price": "sale_price",
    "sale_price_effective_date": "sale_period",
    "cost_of_goods_sold": "cost",
    "quantity": "stock",
    "sell_on_google_quantity": "stock",
    "brand": "brand",
    "product_type": "category_path",
    "item_group_id": "group_id",
    "content_language": "language",
    "product_detail": "attributes",
    "is_bundle": "attribute:is_bundle:boolean",
    "adult": "attribute:adult:boolean",
    "multipack": "attribute:multipack:number",
} | {name: f"attribute:{name}" for name in _ATTRIBUTES.split()}

_FALLBACK_CATEGORY: Final = Target("category_path")


def fill_google_fields(attributes: Iterable[tuple[str, object]], columns: ColumnMap) -> list[Cell]:
    """Cells from the attributes of one product, each as often as it occurs in the feed.

    The merchant's own product_type is the category; Google's taxonomy steps in where there is
    none and it is written out, as a number says nothing to a shopper.
    """
    found: dict[str, list[object]] = {}
    for name, value in attributes:
        found.setdefault(name, []).append(value)
    cells = [cell for name, values in found.items() for cell in _fill(name, values, columns)]
    cells.sort(key=lambda cell: cell[0].rank)
    taxonomy = next(iter(found.get("google_product_category", [])), "")
    if (
        isinstance(taxonomy, str)
        and not taxonomy.strip().isdigit()
        and not any(target.field == "category_path" for target, _ in cells)
    ):
        cells.append((_FALLBACK_CATEGORY, taxonomy))
    return cells


def _fill(name: str, values: list[object], columns: ColumnMap) -> Iterator[Cell]:
    target = columns.find(name)
    if target is None:
        return
    if target.field == "attribute":
        yield target, values if len(values) > 1 else values[0]
    elif target.field == "category_path":
        yield target, values[0]  # one path, where Google allows several
    else:
        for value in values:
            yield target, value


def parse_product_details(text: str) -> dict[str, object] | str:
    """The object behind "section:name:value,section:name:value"; other text is left as it is."""
    details: dict[str, object] = {}
    for piece in text.split(","):
        _, _, pair = piece.partition(":")
        name, colon, value = pair.partition(":")
        if not colon:
            return text
        details.setdefault(name.strip(), value.strip())
    return details
