"""Slates are the same whether vectors come from the tables or from the file of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.embedding import embed_items
from catalog.models import Item, Offer
from catalog.vectors import open_vectors, write_vectors
from profiles.identity import ShopperRef
from profiles.models import EventKind
from recommendations.context import build_request
from recommendations.recommend import ledgers_of, recommend
from recommendations.values import Ledger, RecommendationRequest
from tenants.models import Tenant
from tests.make import make_event, make_shopper
from tests.shop import Shop, planted_shop

CAMPER = ShopperRef(known="camper")


@pytest.fixture
def shop(tenant: Tenant) -> Shop:
    shop = planted_shop()
    embed_items(Item.objects.select_related("embedding"))
    camper = make_shopper("camper")
    for item in shop.camping[:2]:
        make_event(camper, item, EventKind.PURCHASE)
    make_event(camper, shop.kitchen[0], EventKind.VIEW)
    return shop


def requests(shop: Shop, now: datetime) -> list[RecommendationRequest]:
    tent, pan = shop.camping[2].external_id, shop.kitchen[1].external_id
    return [
        build_request("home", shopper=CAMPER, limit=8, now=now),
        build_request("home", limit=8, now=now),
        build_request("item", shopper=CAMPER, item=tent, limit=8, now=now),
        build_request("item", item=tent, limit=8, now=now),
        build_request("cart", shopper=CAMPER, cart_items=[tent, pan], limit=8, now=now),
    ]


def owed(ledger: Ledger) -> list[tuple[Any, ...]]:
    return [(c.generator, c.signal.kind, c.signal.item_id, c.amount) for c in ledger]


def served(shop: Shop, now: datetime) -> list[list[tuple[Any, ...]]]:
    """Slates with everything that is owed, to the last bit."""
    slates = [recommend(request) for request in requests(shop, now)]
    assert not any(slate.fallbacks for slate in slates)
    return [
        [(item.title, item.reason and item.reason.text, *owed(item.ledger)) for item in slate.items]
        for slate in slates
    ]


@contextmanager
def reading_vectors(*, times: int) -> Iterator[None]:
    """The block reads vectors from the tables in so many statements."""
    with CaptureQueriesContext(connection) as queries:
        yield
    reads = [q["sql"] for q in queries if "halfvec_send" in q["sql"]]
    assert len(reads) == times, reads


def test_a_slate_is_the_same_with_and_without_the_file(shop: Shop) -> None:
    now = timezone.now()
    without = served(shop, now)
    assert any(entry[0] == "content" for slate in without for item in slate for entry in item[2:])
    write_vectors()
    with reading_vectors(times=0):
        assert served(shop, now) == without


def test_of_what_changed_since_the_new_vector_counts(shop: Shop) -> None:
    write_vectors()
    before = served(shop, now := timezone.now())
    changed = [shop.camping[0], shop.kitchen[0], shop.camping[3]]
    for item in changed:
        item.title = f"Unlike before: {item.title} of velvet"
        item.save()
    embed_items(Item.objects.filter(pk__in=[item.pk for item in changed]))
    with_old_file = served(shop, now)
    assert with_old_file != before
    write_vectors(anew=True)
    with reading_vectors(times=0):
        assert served(shop, now) == with_old_file


def test_price_and_stock_are_of_now_whatever_the_age_of_the_file(shop: Shop) -> None:
    write_vectors()
    now = timezone.now()
    with reading_vectors(times=0):
        first, second = recommend(requests(shop, now)[0]).items[:2]
        Offer.objects.filter(item=first.item_id).update(price=Decimal("77.70"))
        Offer.objects.filter(item=second.item_id).update(stock=0)
        again = recommend(requests(shop, now)[0]).items
    assert again[0].item_id == first.item_id
    assert again[0].offer is not None
    assert again[0].offer.price == Decimal("77.70")
    assert second.item_id not in {item.item_id for item in again}


def test_ledgers_of_asked_items_are_the_same_too(shop: Shop) -> None:
    request = requests(shop, timezone.now())[0]
    ids: Sequence[int] = [item.pk for item in (*shop.camping, *shop.kitchen)]
    without = {item: owed(ledger) for item, ledger in ledgers_of(request, ids).items()}
    write_vectors()
    assert open_vectors() is not None
    with reading_vectors(times=0):
        found = {item: owed(ledger) for item, ledger in ledgers_of(request, ids).items()}
    assert found == without
