"""What a storefront shows of the items of a page, as they are at this moment."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from catalog.pictures import first_picture
from catalog.search.conditions import FROM_ITEMS, IS_IN_STOCK
from catalog.search.values import Filter
from recommendations.values import Ledger, OfferView, ServedItem
from tenants.connection import array_of, connection

SHOWN: Final = f"""
    SELECT i.id, i.external_id, i.kind, i.title, i.brand, i.category_path, i.images, i.address,
           o.price, o.sale_price, o.currency, o.stock
    FROM {FROM_ITEMS} WHERE i.id = ANY(%s::bigint[]) AND i.archived_at IS NULL
"""  # noqa: S608  # made of constants
BUYABLE: Final = f"{SHOWN} AND {IS_IN_STOCK}"
"""As SQL, for writing a query down takes Django longer than Postgres needs to answer it."""


def shown_items(
    item_ids: Collection[int], ledgers: Mapping[int, Ledger], filters: Sequence[Filter]
) -> dict[int, ServedItem]:
    """The items with their offers of now. One query. What may no longer be shown is left out;
    what is sold out may be where a filter asks for it. Raises DatabaseError."""
    sold_out_too = any(each.field == "availability" for each in filters)
    with connection.cursor() as cursor:
        cursor.execute(SHOWN if sold_out_too else BUYABLE, [array_of(item_ids)])
        return {
            row[0]: _served(row[:8], _offer(*row[8:]), ledgers[row[0]]) for row in cursor.fetchall()
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
