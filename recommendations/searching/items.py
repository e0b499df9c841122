"""What a storefront shows of the items of a page, as they are at this moment."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

from catalog.models import Item
from catalog.pictures import first_picture
from catalog.search.values import Filter
from recommendations.values import Ledger, OfferView, ServedItem

FIELDS = (
    *("pk", "external_id", "kind", "title", "brand", "category_path", "images", "address"),
    *("offer__price", "offer__sale_price", "offer__currency", "offer__stock"),
)


def shown_items(
    item_ids: Collection[int], ledgers: Mapping[int, Ledger], filters: Sequence[Filter]
) -> dict[int, ServedItem]:
    """The items with their offers of now. One query. What may no longer be shown is left out;
    what is sold out may be where a filter asks for it."""
    items = Item.objects.filter(pk__in=item_ids, archived_at=None)
    if not any(each.field == "availability" for each in filters):
        items = items.recommendable()
    # Bare rows: a page of model instances takes longer to make than to read.
    return {
        row[0]: _served(row[:8], _offer(*row[8:]), ledgers[row[0]])
        for row in items.values_list(*FIELDS)
    }


def _served(said: Sequence[Any], offer: OfferView | None, ledger: Ledger) -> ServedItem:
    item_id, external_id, kind, title, brand, category_path, images, address = said
    return ServedItem(
        item_id=item_id,
        external_id=external_id,
        kind=kind,
        title=title,
        brand=brand,
        category_path=tuple(category_path),
        image=first_picture(images),
        address=address,
        offer=offer,
        ledger=ledger,
    )


def _offer(
    price: Decimal | None, sale_price: Decimal | None, currency: str | None, stock: int | None
) -> OfferView | None:
    """What the item costs; None without an offer, for no offer is without a currency."""
    if price is None or currency is None:
        return None
    return OfferView(price, sale_price, currency, stock is None or stock > 0)
