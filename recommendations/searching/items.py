"""What a storefront shows of the items of a page, as they are at this moment."""

from collections.abc import Collection, Mapping, Sequence

from catalog.models import Item, Offer
from catalog.pictures import first_picture
from catalog.search.values import Filter
from recommendations.values import Ledger, OfferView, ServedItem

FIELDS = (
    *("external_id", "kind", "title", "brand", "category_path", "images", "address"),
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
    return {
        item.pk: _served(item, ledgers[item.pk])
        for item in items.select_related("offer").only(*FIELDS)
    }


def _served(item: Item, ledger: Ledger) -> ServedItem:
    offer: Offer | None = getattr(item, "offer", None)
    return ServedItem(
        item_id=item.pk,
        external_id=item.external_id,
        kind=item.kind,
        title=item.title,
        brand=item.brand,
        category_path=tuple(item.category_path),
        image=first_picture(item.images),
        address=item.address,
        offer=None if offer is None else _offer(offer),
        ledger=ledger,
    )


def _offer(offer: Offer) -> OfferView:
    in_stock = offer.stock is None or offer.stock > 0
    return OfferView(offer.price, offer.sale_price, offer.currency, in_stock)
