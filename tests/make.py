"""Typed makers of rows, each with defaults that make it valid."""

import itertools
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from catalog.models import Item, Offer
from profiles.consent import record_consents
from profiles.identity import ShopperRef, ensure_shoppers, get_shopper
from profiles.ingest import OutcomeStatus, record_events
from profiles.models import EventKind, Purpose, Shopper

_numbers = itertools.count(1)


def make_item(
    external_id: str | None = None,
    *,
    title: str | None = None,
    price: str | Decimal = "10.00",
    sale_price: str | None = None,
    stock: int | None = 10,
    category_path: tuple[str, ...] = (),
    **fields: Any,
) -> Item:
    number = next(_numbers)
    item = Item.objects.create(
        external_id=external_id or f"SKU-{number}",
        title=title or f"Item {number}",
        category_path=list(category_path),
        **fields,
    )
    Offer.objects.create(
        item=item,
        price=Decimal(price),
        sale_price=None if sale_price is None else Decimal(sale_price),
        currency="EUR",
        stock=stock,
    )
    return item


def make_shopper(external_id: str | None = None, *, granted: bool = True) -> Shopper:
    """A known shopper who grants personalization and research unless told otherwise."""
    external_id = external_id or f"s-{next(_numbers)}"
    ensure_shoppers([ShopperRef(known=external_id)])
    shopper = get_shopper(external_id)
    if granted:
        choices = {Purpose.PERSONALIZATION: True, Purpose.RESEARCH: True}
        record_consents([shopper], choices, source="tests")
    return shopper


def make_event(
    shopper: Shopper,
    item: Item | None,
    kind: EventKind = EventKind.VIEW,
    *,
    at: datetime | None = None,
    **fields: Any,
) -> None:
    """One event through the ordinary path, so that the online state knows it."""
    event = {
        "kind": kind.value,
        "shopper": shopper.external_id,
        "occurred_at": at or timezone.now(),
        **fields,
    }
    if item is not None:
        event["item"] = item.external_id
    (outcome,) = record_events([event])
    assert outcome.status == OutcomeStatus.STORED, outcome
