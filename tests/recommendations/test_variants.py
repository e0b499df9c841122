"""Variants of one thing: a slate shows one of them, and one that can be bought."""

from typing import Any

from catalog.models import Item, Offer
from profiles.models import EventKind
from tests.conftest import ApiClient
from tests.make import make_event, make_item, make_shopper


def shown(api: ApiClient) -> list[str]:
    response = api.get("/api/v1/recommendations", placement="home", limit=20)
    body: dict[str, Any] = response.json()
    return [item["item"] for item in body["items"]]


def test_a_slate_shows_one_size_of_a_shoe_and_the_next_when_that_is_sold_out(
    api: ApiClient,
) -> None:
    head = make_item("SHOE", title="Trail shoe", group_id="SHOE", available=False)
    sizes = [make_item(f"SHOE-{n}", title="Trail shoe", group_id="SHOE") for n in (38, 39, 40)]
    make_item("TENT", title="Tent")
    shopper = make_shopper()
    make_event(shopper, head, EventKind.VIEW)
    for item in sizes[:2]:
        make_event(shopper, item, EventKind.PURCHASE)
    seen: set[str] = set()
    for left in (3, 2, 1, 0):
        slate = shown(api)
        of_shoe = [external_id for external_id in slate if external_id.startswith("SHOE")]
        assert len(of_shoe) == min(left, 1), slate
        assert "TENT" in slate
        assert seen.isdisjoint(of_shoe)
        seen.update(of_shoe)
        Offer.objects.filter(item__external_id__in=of_shoe).update(stock=0)
    assert seen == {item.external_id for item in sizes}, "and never the head, which is not sold"
    assert Item.objects.filter(group_id="SHOE").count() == 4
