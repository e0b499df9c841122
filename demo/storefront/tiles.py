"""An item as a tile: what a shopper sees of it, and why it is there."""

from dataclasses import dataclass

from django.urls import reverse

from catalog.models import Item
from catalog.pictures import first_picture
from demo.storefront.words import (
    OfferWords,
    add_words,
    by_line,
    kind_line,
    offer_of,
    offer_words,
)
from demo.stores import store_here
from recommendations.values import ServedItem


@dataclass(frozen=True, slots=True)
class Tile:
    """One item on a page. `decision` and `reason` are empty unless it was recommended.

    `add` is what its button says, empty when there is nothing to add.
    """

    external_id: str
    title: str
    kind: str
    line: str
    by: str
    add: str
    picture: str
    address: str
    offer: OfferWords | None
    decision: str = ""
    reason: str = ""
    more_colors: int = 0


def tile_of(
    item: Item,
    *,
    served: ServedItem | None = None,
    decision: str = "",
    more_colors: int = 0,
    owned: bool = False,
) -> Tile:
    """The tile of an item that was read with its offer.

    `owned` items that one cannot have twice, such as courses, come without the words to add them.
    """
    offer = offer_of(item)
    had = owned and (offer is None or offer.stock is None)
    address = reverse("demo:item", args=[item.external_id])
    return Tile(
        external_id=item.external_id,
        title=item.title,
        kind=item.kind,
        line=kind_line(item),
        by=by_line(item),
        add="" if had else add_words(item, store_here().words),
        picture=first_picture(item.images),
        address=f"{address}?decision={decision}" if decision else address,
        offer=offer_words(item),
        decision=decision,
        reason=served.reason.text if served and served.reason else "",
        more_colors=more_colors,
    )
