"""What items cost and whether there are any: changed for many items at once, and at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any, Self, TypeVar

from django.db import connection

from catalog.feeds.items import MAX_ID_CHARS
from catalog.feeds.reading import RowReading
from catalog.feeds.rows import FeedErrorCode
from catalog.feeds.values import (
    Availability,
    BadValue,
    Money,
    check_price,
    parse_availability,
    parse_currency,
    parse_limited,
    parse_money,
    parse_stock,
)
from catalog.models import Item, Offer
from catalog.written_rows import UNCHANGED, UPDATED, RowOutcome, cells_of, refused, refused_for
from tenants.deadlocks import in_transaction
from tenants.settled import unsettle

T = TypeVar("T")

OFFER_FIELDS = frozenset({"item", "price", "sale_price", "currency", "cost", "stock", "available"})
EMPTIABLE = frozenset({"sale_price", "cost", "stock"})
"""Null takes these away: no sale, no known cost, stock not counted. Of the others null says
nothing."""

UNKNOWN_ITEM = refused_for("item", FeedErrorCode.UNKNOWN_ITEM, "There is no item with this id.")
REPEATED_ITEM = refused_for(
    "item", FeedErrorCode.DUPLICATE_ID, "An earlier change of the request is about this item."
)


@dataclass(frozen=True, slots=True)
class _Held:
    """What is in force for an item. Without a price it has no offer."""

    price: Decimal | None
    sale_price: Decimal | None
    currency: str | None
    cost: Decimal | None
    stock: int | None
    available: bool

    @property
    def sellable(self) -> bool:
        return self.available and self.stock != 0

    @classmethod
    def of(cls, item: Item, offer: Offer | None) -> Self:
        if offer is None:
            return cls(None, None, None, None, None, item.available)
        return cls(
            offer.price, offer.sale_price, offer.currency, offer.cost, offer.stock, item.available
        )


@dataclass(frozen=True, slots=True)
class _Change:
    """What one row says, checked as far as it can be without the item. `emptied` are its nulls."""

    item: str
    price: Money | None
    sale_price: Money | None
    currency: str | None
    cost: Money | None
    stock: int | None
    available: bool | None
    emptied: frozenset[str]


def change_offers(rows: Sequence[Any], *, currency: str) -> list[RowOutcome]:
    """Change offers as the rows say; the outcome of each row, in order.

    A row is an object with `item` and any of OFFER_FIELDS; what it leaves out stays. It is judged
    by the rules of feeds. A first price without a currency is in `currency`. A refused row never
    hinders the others; the same rows again change nothing but the time they were confirmed.
    """
    outcomes: dict[int, RowOutcome] = {}
    changes: dict[int, _Change] = {}
    named: set[str] = set()
    for position, row in enumerate(rows):
        change = _read(position, row)
        if isinstance(change, RowOutcome):
            outcomes[position] = change
        elif change.item in named:
            outcomes[position] = REPEATED_ITEM
        else:
            named.add(change.item)
            changes[position] = change
    if changes:
        outcomes |= in_transaction(lambda: _apply(changes, currency))
    return [outcomes[position] for position in range(len(rows))]


def _read(position: int, row: Any) -> _Change | RowOutcome:
    cells = cells_of(row, OFFER_FIELDS)
    if isinstance(cells, RowOutcome):
        return cells
    reading = RowReading(position, cells)
    item = reading.read("external_id", partial(parse_limited, limit=MAX_ID_CHARS), "")
    if not item and not reading.errors:
        reading.report("item", FeedErrorCode.MISSING_ID, "The row has no item.")
    money = partial(parse_money, decimal_comma=False)
    nothing: Availability | None = None
    available = reading.read("available", parse_availability, nothing)
    change = _Change(
        item=item,
        price=reading.read("price", money, None),
        sale_price=reading.read("sale_price", money, None),
        currency=reading.read("currency", parse_currency, None),
        cost=reading.read("cost", money, None),
        stock=reading.read("stock", partial(parse_stock, decimal_comma=False), None),
        available=None if available is None else available.available,
        emptied=frozenset(name for name in EMPTIABLE & row.keys() if row[name] is None),
    )
    return refused(reading.errors) if reading.errors else change


def _apply(changes: Mapping[int, _Change], currency: str) -> dict[int, RowOutcome]:
    # Items first and offers second, each by id: the same order everywhere. A feed that is merged
    # at the same time waits for the offers, or these for it.
    items = {
        item.external_id: item
        for item in Item.objects.select_for_update(no_key=True)
        .filter(external_id__in=[change.item for change in changes.values()])
        .order_by("pk")
    }
    offers = {
        offer.pk: offer
        for offer in Offer.objects.select_for_update()
        .filter(pk__in=[item.pk for item in items.values()])
        .order_by("pk")
    }
    outcomes: dict[int, RowOutcome] = {}
    confirmed: dict[int, _Held] = {}
    switched: dict[bool, list[int]] = {True: [], False: []}
    returned_or_gone = False
    for position, change in changes.items():
        item = items.get(change.item)
        if item is None:
            outcomes[position] = UNKNOWN_ITEM
            continue
        before = _Held.of(item, offers.get(item.pk))
        after = _changed(before, change, position, currency)
        if isinstance(after, RowOutcome):
            outcomes[position] = after
            continue
        outcomes[position] = UNCHANGED if after == before else UPDATED
        if after.price is not None:
            confirmed[item.pk] = after
        if after.available != before.available:
            switched[after.available].append(item.pk)
        returned_or_gone |= after.sellable != before.sellable
    _store(confirmed)
    for available, ids in switched.items():
        if ids:
            Item.objects.filter(pk__in=ids).update(available=available)
    if returned_or_gone:
        unsettle()  # the newest items are among what recommendations settle
    return outcomes


def _changed(held: _Held, change: _Change, position: int, currency: str) -> "_Held | RowOutcome":
    """What holds after the change, or why it cannot."""
    reading = RowReading(position, ())
    moneys = {"price": change.price, "sale_price": change.sale_price, "cost": change.cost}
    named = {money.currency for money in moneys.values() if money is not None} | {change.currency}
    named.discard(None)
    spoken = next(iter(named), None) or held.currency or currency
    # With a new price the offer may be in another currency; what stays must be in the same one.
    if len(named) > 1 or (change.price is None and held.currency not in {None, spoken}):
        reading.report(
            "currency",
            FeedErrorCode.CURRENCY_CONFLICT,
            "Amounts are in another currency than the price.",
        )
    amounts = {name: _amount(reading, name, money, spoken) for name, money in moneys.items()}
    price = held.price if amounts["price"] is None else amounts["price"]
    # A price in another currency takes along what was counted in the old one.
    counted = held if held.currency in {None, spoken} else replace(held, sale_price=None, cost=None)
    sale_price = _kept("sale_price", amounts["sale_price"], counted.sale_price, change)
    cost = _kept("cost", amounts["cost"], counted.cost, change)
    stock = _kept("stock", change.stock, held.stock, change)
    if price is None and (sale_price, cost, stock) != (None, None, None):
        reading.report(
            "price", FeedErrorCode.MISSING_PRICE, "The item has no price yet, so it needs one."
        )
    if price is not None and sale_price is not None and sale_price > price:
        reading.report(
            "sale_price",
            FeedErrorCode.SALE_PRICE_ABOVE_PRICE,
            f"The sale price {sale_price:f} is above the price {price:f}.",
        )
    if reading.errors:
        return refused(reading.errors)
    return replace(
        held,
        price=price,
        sale_price=sale_price if sale_price and sale_price != price else None,
        currency=spoken if price is not None else None,
        cost=cost,
        stock=stock,
        available=held.available if change.available is None else change.available,
    )


def _amount(reading: RowReading, field: str, money: Money | None, currency: str) -> Decimal | None:
    if money is None:
        return None
    try:
        return check_price(money.amount, currency, minor_units=False)
    except BadValue as bad:
        reading.report(field, bad.code, bad.message)
        return None


def _kept(field: str, given: T | None, held: T | None, change: _Change) -> T | None:
    return given if given is not None or field in change.emptied else held


STORE = """
    INSERT INTO catalog_offer (item_id, price, sale_price, currency, cost, stock, refreshed_at)
    SELECT *, now() FROM unnest(
        %s::bigint[], %s::numeric[], %s::numeric[], %s::varchar[], %s::numeric[], %s::integer[]
    )
    ON CONFLICT (item_id) DO UPDATE
    SET (price, sale_price, currency, cost, stock, refreshed_at) = ROW (
        excluded.price, excluded.sale_price, excluded.currency, excluded.cost, excluded.stock,
        excluded.refreshed_at)
"""


def _store(offers: Mapping[int, _Held]) -> None:
    """Write the offers, also those that stay: the merchant has just said that they hold."""
    if not offers:
        return
    held = offers.values()
    with connection.cursor() as cursor:
        cursor.execute(
            STORE,
            [
                list(offers),
                [offer.price for offer in held],
                [offer.sale_price for offer in held],
                [offer.currency for offer in held],
                [offer.cost for offer in held],
                [offer.stock for offer in held],
            ],
        )
