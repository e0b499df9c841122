"""Asking for a slate and laying it out as tiles."""

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.models import Item
from demo.storefront.tiles import Tile, tile_of
from demo.storefront.visitor import Visitor
from recommendations.context import build_request
from recommendations.feedback import record_served
from recommendations.recommend import recommend
from tenants.errors import DomainError

SIZES = {"home": 12, "buy-again": 6, "item": 6, "cart": 6}
"""How many tiles each placement of the storefront has."""


@dataclass(frozen=True, slots=True)
class TileSlate:
    """A served slate. `personalized` says whether the visitor's own history is in it."""

    placement: str
    personalized: bool
    tiles: tuple[Tile, ...]


def slate_for(
    visitor: Visitor, placement: str, *, cart: Sequence[str], item: str | None = None
) -> TileSlate:
    """What to show the visitor here, prices and stock read after the decision.

    `cart` holds the external ids in the session's cart, which the visitor sees, so it counts also
    without consent. A placement that the merchant switched off is an empty slate.
    """
    try:
        request = build_request(
            placement,
            shopper=visitor.ref,
            item=item,
            cart_items=cart,
            limit=SIZES[placement],
        )
    except DomainError:
        return TileSlate(placement, personalized=False, tiles=())
    slate = recommend(request)
    if not slate.items:
        return TileSlate(placement, slate.personalized, tiles=())
    record_served(slate)
    items = Item.objects.select_related("offer").in_bulk([s.item_id for s in slate.items])
    return TileSlate(
        placement=placement,
        personalized=slate.personalized,
        tiles=tuple(
            tile_of(
                items[served.item_id],
                served=served,
                decision=str(slate.decision_id),
                owned=placement == "buy-again",
            )
            for served in slate.items
            if served.item_id in items
        ),
    )
