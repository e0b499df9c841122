"""What the merchant links to an item or a cart comes first there, as the shop's choice."""

from typing import Any

import pytest

from catalog.models import ItemLink
from profiles.policy import set_signal_policy
from profiles.signals import SignalKind
from recommendations.context import build_request
from recommendations.recommend import ledgers_of, recommend
from recommendations.values import ServedItem
from tests.conftest import ApiClient
from tests.make import make_item
from tests.shop import Shop, planted_shop


@pytest.fixture
def shop(api: ApiClient) -> Shop:
    return planted_shop()


def first(placement: str, **asked: Any) -> ServedItem:
    return recommend(build_request(placement, limit=3, **asked)).items[0]


def test_beside_an_item_stands_what_the_shop_linked_to_it(shop: Shop) -> None:
    tent = shop.camping[0]
    hut, rope = make_item("HUT", title="Hut"), make_item("ROPE", title="Rope")
    ItemLink.objects.create(item=tent, linked=hut, kind="up_sell")
    ItemLink.objects.create(item=tent, linked=rope, kind="cross_sell")
    served = first("item", item=tent.external_id)
    assert (served.title, served.reason and served.reason.text) == (
        "Hut",
        "Chosen by the shop beside Tent",
    )
    assert first("item", item=shop.camping[1].external_id).title != "Hut"


def test_beside_a_cart_stands_what_goes_with_it(shop: Shop) -> None:
    tent = shop.camping[0]
    hut, rope = make_item("HUT", title="Hut"), make_item("ROPE", title="Rope")
    ItemLink.objects.create(item=tent, linked=hut, kind="up_sell")
    ItemLink.objects.create(item=tent, linked=rope, kind="cross_sell")
    served = first("cart", cart_items=[tent.external_id])
    assert (served.title, served.reason and served.reason.text) == (
        "Rope",
        "Chosen by the shop to go with Tent",
    )


def test_links_come_in_the_order_of_the_merchant_and_of_a_group_one(shop: Shop) -> None:
    tent = shop.camping[0]
    for position, name in enumerate(["Third", "First", "Second"]):
        for size in ("S", "L"):
            item = make_item(f"{name}-{size}", title=name, group_id=name)
            if size == "S":
                ItemLink.objects.create(
                    item=tent, linked=item, kind="related", position=(position + 2) % 3
                )
    slate = recommend(build_request("item", item=tent.external_id, limit=3))
    assert [item.title for item in slate.items] == ["First", "Second", "Third"]


def test_what_a_link_gives_is_owed_to_it_and_only_as_the_policy_allows(shop: Shop) -> None:
    tent, pan = shop.camping[0], shop.kitchen[0]
    link = ItemLink.objects.create(item=tent, linked=pan, kind="related")
    request = build_request("item", item=tent.external_id)
    [before] = ledgers_of(request, [pan.pk]).values()
    owed = sum(c.amount for c in before if c.signal.kind == "linked")
    assert owed > 0

    set_signal_policy(SignalKind.LINKED, may_rank=True, may_cite=False)
    served = first("item", item=tent.external_id)
    assert served.item_id == pan.pk
    assert served.reason is None or served.reason.kind != "linked"

    set_signal_policy(SignalKind.LINKED, may_rank=False, may_cite=True)
    request = build_request("item", item=tent.external_id, now=request.now)
    [unused] = ledgers_of(request, [pan.pk]).values()
    link.delete()
    request = build_request("item", item=tent.external_id, now=request.now)
    [without] = ledgers_of(request, [pan.pk]).values()
    assert unused.score == without.score == pytest.approx(before.score - owed, abs=1e-12)


def test_two_items_of_one_title_speak_once_for_what_both_are_linked_to(shop: Shop) -> None:
    twin = make_item("TWIN", title="Tent")
    rope = make_item("ROPE", title="Rope")
    cart = [shop.camping[0].external_id, twin.external_id]
    ItemLink.objects.create(item=shop.camping[0], linked=rope, kind="cross_sell")
    [one] = ledgers_of(build_request("cart", cart_items=cart), [rope.pk]).values()
    ItemLink.objects.create(item=twin, linked=rope, kind="cross_sell")
    [both] = ledgers_of(build_request("cart", cart_items=cart), [rope.pk]).values()

    def linked(ledger: Any) -> list[float]:
        return [c.amount for c in ledger if c.signal.kind == "linked"]

    assert linked(both) == pytest.approx(linked(one))
    assert len(linked(both)) == 1
