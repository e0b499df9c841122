"""The cart and the orders of the demo storefront."""

from decimal import Decimal
from uuid import UUID

from django.core.cache import cache

from catalog.models import Offer
from profiles.models import EventKind
from recommendations.feedback import get_decision
from tests.demo.browser import Browser, Page, camper, events_of, item_of
from tests.make import make_event, make_item
from tests.shop import planted_shop


def test_prices_and_stock_are_those_of_the_offer_just_read(tab: Browser) -> None:
    item = make_item("lamp", title="Lamp", price="40.00", sale_price="30.00", stock=3)
    tile = tab.page().tiles["Lamp"]
    assert "Now €30.00 before €40.00 Only 3 left" in tile
    assert "−25 %" in tile

    Offer.objects.filter(item=item).update(price=Decimal("1200"), sale_price=None, stock=80)
    assert "€1,200.00" in tab.page().tiles["Lamp"]
    assert "€1,200.00 In stock" in tab.page("/items/lamp/").text

    Offer.objects.filter(item=item).update(currency="CHF", stock=0)
    page = tab.page("/items/lamp/")
    assert "CHF 1,200.00 Sold out" in page.text
    assert "Add to cart" not in page.text
    assert tab.page().tiles == {}

    Offer.objects.filter(item=item).delete()
    assert "Not on sale at the moment" in tab.page("/items/lamp/").text


def test_the_cart_counts_at_once_and_says_what_goes_with_it(tab: Browser) -> None:
    tab.shop_as(camper(planted_shop()))
    added = tab.tell("/cart/change/", item="C2")
    assert added["cart"] == 1
    assert "Noted: Camping stove is in your cart." in added["toast"]
    assert tab.tell("/cart/change/", item="C2")["cart"] == 2

    cart = tab.page("/cart/")
    assert "Camping stove" not in cart.tiles
    assert "Goes with Camping stove in your cart" in cart.tiles["Headlamp"]
    assert "Total €20.00" in cart.text

    fewer = tab.tell("/cart/change/", item="C2", quantity="1")
    assert (fewer["toast"], fewer["cart"]) == ("Camping stove: 1 in your cart.", 1)
    assert events_of(EventKind.REMOVE_FROM_CART) == []
    tab.post("/cart/change/", item="C2", quantity="0")
    assert len(events_of(EventKind.REMOVE_FROM_CART)) == 1
    assert [event.quantity for event in events_of(EventKind.ADD_TO_CART)] == [1, 1]
    assert "Nothing in here yet" in tab.page("/cart/").text


def test_nobody_gets_more_pieces_than_there_are(tab: Browser) -> None:
    make_item("last", title="Last one", stock=1)
    make_item("gone", title="Gone", stock=0)
    assert tab.tell("/cart/change/", item="last")["cart"] == 1
    again = tab.tell("/cart/change/", item="last", quantity="500")
    assert again["cart"] == 1
    assert "no more of it to be had" in again["toast"]
    assert tab.tell("/cart/change/", item="gone")["cart"] == 1
    assert len(events_of(EventKind.ADD_TO_CART)) == 1


def test_an_order_is_recorded_once_however_often_it_is_sent(tab: Browser) -> None:
    shopper = camper(planted_shop())
    decision = tab.shop_as(shopper).decision
    tab.post("/cart/change/", item="K0", decision=decision)
    tab.post("/cart/change/", item="K0", quantity="3")
    cart = tab.page("/cart/")
    fields = {"order": cart.value_of("order"), "total": cart.value_of("total")}
    assert fields["total"] == "€30.00"

    done = Page(tab.post("/cart/check-out/", **fields).content.decode())
    assert "Thank you for your order, Cora" in done.text
    assert "Frying pan × 3 €30.00" in done.text
    assert "Because you bought Frying pan" in done.tiles["Chef's knife"]
    # The same form again, from a second tab where the cart is still full.
    tab.post("/cart/change/", item="K0", quantity="3")
    tab.post("/cart/check-out/", **fields)

    bought = [event for event in events_of(EventKind.PURCHASE) if event.shopper == shopper]
    assert [item_of(event) for event in bought] == ["C0", "K0"]
    assert (bought[1].quantity, bought[1].value, bought[1].currency) == (3, Decimal(30), "EUR")
    assert bought[1].decision_id == UUID(decision)


def test_an_order_at_another_price_than_was_shown_is_not_placed(tab: Browser) -> None:
    item = make_item("lamp", title="Lamp", price="40.00")
    tab.post("/cart/change/", item="lamp")
    cart = tab.page("/cart/")
    Offer.objects.filter(item=item).update(price=Decimal("55.00"))

    order = {"order": cart.value_of("order"), "total": cart.value_of("total")}
    shown = Page(tab.post("/cart/check-out/", **order).content.decode())
    assert "A price or the stock has changed" in shown.text
    assert shown.value_of("total") == "€55.00"
    assert events_of(EventKind.PURCHASE) == []

    tab.post("/cart/check-out/", order=order["order"], total="€55.00")
    assert [event.value for event in events_of(EventKind.PURCHASE)] == [Decimal(55)]


def test_what_sold_out_meanwhile_is_not_ordered_and_stays_in_the_cart(tab: Browser) -> None:
    lamp = make_item("lamp", title="Lamp")
    make_item("rug", title="Rug", price="25.00")
    for item in ("lamp", "rug"):
        tab.post("/cart/change/", item=item)
    Offer.objects.filter(item=lamp).update(stock=0)

    cart = tab.page("/cart/")
    assert "Sold out. It is not part of the total." in cart.text
    assert cart.value_of("total") == "€25.00"
    tab.post("/cart/check-out/", order=cart.value_of("order"), total="€25.00")
    assert [item_of(event) for event in events_of(EventKind.PURCHASE)] == ["rug"]
    assert "Lamp" in tab.page("/cart/").text


def test_an_item_that_was_deleted_leaves_the_cart(tab: Browser) -> None:
    make_item("rug", title="Rug")
    item = make_item("lamp", title="Lamp")
    tab.post("/cart/change/", item="lamp")
    item.delete()
    cart = tab.page("/cart/")
    assert "Nothing in here yet" in cart.text
    assert "Rug" in cart.tiles


def test_things_to_buy_again_are_things_that_were_bought(tab: Browser) -> None:
    shop = planted_shop()
    shopper = camper(shop)
    make_event(shopper, shop.kitchen[0], EventKind.VIEW)
    # What training makes of the weights is its own affair: here purchases count when they repeat.
    version = shop.ranker
    version.params["scoring"]["home"]["buy_again"] = 0.5
    version.save()
    cache.clear()
    tab.shop_as(shopper)
    again = tab.page("/slates/buy-again/")
    assert list(again.tiles) == ["Tent"]
    decision = get_decision(UUID(again.decision))
    assert [item["external_id"] for item in decision.slate] == ["C0"]
