"""What is in the cart, at the prices of now, and turning it into an order."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.http import HttpRequest

from catalog.models import Item
from demo.storefront.events import note_events
from demo.storefront.tiles import Tile, tile_of
from demo.storefront.visitor import Visitor, keep, kept
from demo.storefront.words import may_be_bought, offer_of, price_text
from profiles.ingest import OutcomeStatus

MAX_LINES = 50
MAX_PIECES = 99


@dataclass(frozen=True, slots=True)
class Line:
    """Some pieces of one item. `most` is how many a shopper can have; 0 when none any more.

    `price` is that of the line, not of one piece; None when the item has no offer.
    """

    item: Item
    tile: Tile
    quantity: int
    most: int
    price: Decimal | None
    currency: str
    decision: str | None

    @property
    def price_text(self) -> str:
        return "" if self.price is None else price_text(self.price, self.currency)

    @property
    def buyable(self) -> bool:
        return self.price is not None and 0 < self.quantity <= self.most


@dataclass(frozen=True, slots=True)
class Cart:
    """The lines in the order they were added, the newest first."""

    lines: tuple[Line, ...]

    @property
    def item_ids(self) -> list[str]:
        return [line.item.external_id for line in self.lines]

    @property
    def to_buy(self) -> list[Line]:
        return [line for line in self.lines if line.buyable]

    @property
    def total(self) -> str:
        """The sum of what can be bought, for each currency in it; empty when nothing can."""
        sums: dict[str, Decimal] = {}
        for line in self.to_buy:
            sums[line.currency] = sums.get(line.currency, Decimal(0)) + (line.price or 0)
        return " + ".join(price_text(amount, currency) for currency, amount in sums.items())


def read_cart(request: HttpRequest) -> Cart:
    """The session's cart with offers as they are now. One query. What was deleted is left out."""
    entries = _entries(request)
    if not entries:
        return Cart(())
    items = {
        item.external_id: item
        for item in Item.objects.filter(external_id__in=entries).select_related("offer")
    }
    lines = [_line(items[name], entry) for name, entry in entries.items() if name in items]
    return Cart(tuple(reversed(lines)))


def pieces_in_cart(request: HttpRequest) -> int:
    """How many pieces the session's cart has."""
    return sum(entry["quantity"] for entry in _entries(request).values())


def quantity_in_cart(request: HttpRequest, external_id: str) -> int:
    quantity: int = _entries(request).get(external_id, {}).get("quantity", 0)
    return quantity


def change_cart(request: HttpRequest, item: Item, quantity: int, decision: str | None) -> int:
    """Have `quantity` pieces of the item in the cart, or as many as there are; how many it is."""
    entries = dict(_entries(request))
    quantity = min(quantity, most_pieces(item))
    present = entries.get(item.external_id)
    if quantity <= 0:
        entries.pop(item.external_id, None)
    elif present is not None:
        entries[item.external_id] = {**present, "quantity": quantity}
    elif len(entries) < MAX_LINES:
        entries[item.external_id] = {"quantity": quantity, "decision": decision}
    keep(request, cart=entries)
    return quantity_in_cart(request, item.external_id)


def most_pieces(item: Item) -> int:
    """How many pieces of the item one shopper can have: 1 where there is nothing to count."""
    offer = offer_of(item)
    if offer is None or not may_be_bought(item):
        return 0
    return 1 if offer.stock is None else min(offer.stock, MAX_PIECES)


def place_order(request: HttpRequest, visitor: Visitor, cart: Cart, *, order_id: str) -> None:
    """Record what can be bought of the cart as purchases, and take it out of the cart.

    Sent twice with one `order_id`, it is one order. A line that cannot be recorded, as that of an
    item deleted this very moment, stays in the cart and is no part of the order.
    """
    outcomes = note_events(
        visitor,
        [
            {
                "kind": "purchase",
                "item": line.item.external_id,
                "decision": line.decision,
                "quantity": line.quantity,
                "value": line.price,
                "currency": line.currency,
                "idempotency_key": f"{order_id}:{line.item.pk}",
            }
            for line in cart.to_buy
        ],
    )
    recorded = [
        line
        for line, outcome in zip(cart.to_buy, outcomes, strict=True)
        if outcome.status != OutcomeStatus.REFUSED
    ]
    bought = {line.item.external_id for line in recorded}
    keep(
        request,
        cart={name: entry for name, entry in _entries(request).items() if name not in bought},
        order={
            "number": order_id[-6:].upper(),
            "total": Cart(tuple(recorded)).total,
            "lines": [
                {
                    "title": line.item.title,
                    "picture": line.tile.picture,
                    "quantity": line.quantity,
                    "price": line.price_text,
                }
                for line in recorded
            ],
        },
    )


def new_order_id() -> str:
    return f"order-{secrets.token_hex(8)}"


def _entries(request: HttpRequest) -> Mapping[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = kept(request).get("cart") or {}
    return entries


def _line(item: Item, entry: Mapping[str, Any]) -> Line:
    offer = offer_of(item)
    return Line(
        item=item,
        tile=tile_of(item),
        quantity=entry["quantity"],
        most=most_pieces(item),
        price=None if offer is None else offer.current_price * entry["quantity"],
        currency="" if offer is None else offer.currency,
        decision=entry["decision"],
    )
