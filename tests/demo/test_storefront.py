"""The demo storefront, as a browser without script sees it."""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from html import unescape
from typing import Any
from uuid import UUID

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_tenants.utils import schema_context

from catalog.models import ItemKind, Offer, Review
from catalog.reviews import refresh_ratings
from demo.shop_catalog import shop_items
from demo.storefront.visitor import FEATURED_TRAIT
from demo.stores import ACADEMY
from profiles.consent import permitted_events, record_consent
from profiles.models import Consent, Event, EventKind, Purpose, Shopper
from recommendations.feedback import get_decision
from recommendations.models import MerchandisingRule, Placement
from recommendations.placements import ensure_default_placements
from tenants.models import Tenant
from tenants.opening import open_tenant
from tenants.settled import unsettle
from tenants.tasks import current_schema
from tests.conftest import TenantPair
from tests.make import make_event, make_item, make_shopper
from tests.shop import Shop, planted_shop


@dataclass
class Browser:
    """One browser at one store: keeps its cookies, follows redirects, runs no script."""

    host: str
    client: Client = field(default_factory=Client)

    def get(self, path: str) -> Any:
        # A request ends in the public schema; the test goes on where it was.
        with schema_context(current_schema()):
            return self.client.get(path, follow=True, headers={"Host": self.host})

    def post(self, path: str, **fields: str) -> Any:
        with schema_context(current_schema()):
            return self.client.post(path, fields, follow=True, headers={"Host": self.host})

    def tell(self, path: str, **fields: str) -> dict[str, Any]:
        """What the page's script is answered."""
        with schema_context(current_schema()):
            response = self.client.post(
                path, fields, headers={"Host": self.host, "X-Requested-With": "storefront"}
            )
        assert response.status_code == 200, response.content
        answer: dict[str, Any] = response.json()
        return answer

    def page(self, path: str = "/") -> "Page":
        response = self.get(path)
        assert response.status_code == 200, response.content
        return Page(response.content.decode())

    def shop_as(self, shopper: Shopper | None) -> "Page":
        response = self.post(
            "/shoppers/choose/", shopper=(shopper.external_id or "") if shopper else ""
        )
        assert response.status_code == 200
        return Page(response.content.decode())


@dataclass(frozen=True)
class Page:
    """What a test looks for in a page."""

    html: str

    @property
    def tiles(self) -> dict[str, str]:
        """The text of each recommended tile of the page, by title."""
        found = {}
        for tile in re.findall(r'<li class="tile".*?</li>', self.html, re.DOTALL):
            title = re.search(r'<h3 class="tile-title">(.*?)</h3>', tile, re.DOTALL)
            found[unescape(title[1]) if title else ""] = text_of(tile)
        return found

    @property
    def text(self) -> str:
        return text_of(self.html)

    @property
    def why_links(self) -> dict[str, str]:
        """Where each tile explains itself, by external id."""
        links = re.findall(r'href="(/why/[0-9a-f-]+/([^/"]+)/)"', self.html)
        return {external_id: address for address, external_id in links}

    @property
    def decision(self) -> str:
        match = re.search(r'data-decision="([0-9a-f-]{36})"', self.html)
        assert match
        return match[1]

    def value_of(self, name: str) -> str:
        """The value of a hidden field of a form."""
        match = re.search(rf'name="{name}" value="([^"]*)"', self.html)
        assert match, f"There is no field {name}."
        return unescape(match[1])


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def featured(shopper: Shopper, name: str, *, position: int = 0) -> Shopper:
    """Introduced by the storefront, so that a visitor can be them."""
    shopper.traits = {"name": name, "summary": "Sleeps outdoors.", FEATURED_TRAIT: position}
    shopper.save(update_fields=["traits"])
    return shopper


def camper(shop: Shop) -> Shopper:
    """Somebody who bought the tent."""
    shopper = featured(make_shopper("camper"), "Cora Camper")
    make_event(shopper, shop.camping[0], EventKind.PURCHASE)
    return shopper


def events_of(kind: EventKind) -> list[Event]:
    return list(Event.stored.filter(kind=kind).select_related("item", "shopper").order_by("pk"))


def item_of(event: Event) -> str:
    return event.item.external_id if event.item else ""


@pytest.fixture
def tab(tenant: Tenant) -> Browser:
    return Browser("ours.localhost")


def test_a_new_visitor_sees_what_is_popular_and_a_chosen_shopper_what_is_theirs(
    tab: Browser,
) -> None:
    shopper = camper(planted_shop())
    new = tab.page()
    assert "New visitor" in new.text
    assert {"Popular this month", "Trending this week", "Trending now"} >= {
        text.rsplit(" Why this?", 1)[0].split("€10.00 ")[1] for text in new.tiles.values()
    }

    chosen = tab.shop_as(shopper)
    assert "Shopping as Cora Camper Sleeps outdoors." in chosen.text
    assert "Picked for Cora" in chosen.text
    assert "Because you bought Tent" in chosen.tiles["Sleeping bag"]

    left = tab.shop_as(None)
    assert "Because you bought" not in left.text


def test_nobody_can_become_a_shopper_who_is_not_introduced(tab: Browser) -> None:
    shop = planted_shop()
    shopper = make_shopper("private")
    make_event(shopper, shop.camping[0], EventKind.PURCHASE)

    response = tab.post("/shoppers/choose/", shopper="private")
    assert response.status_code == 404
    assert "Because you bought" not in tab.page().text

    featured(shopper, "Not Private Any More")
    assert "Because you bought Tent" in tab.shop_as(shopper).text


def test_consent_decides_whether_what_a_visitor_does_is_used(tab: Browser) -> None:
    shop = planted_shop()
    tab.get("/")
    noted = tab.tell("/events/", kind="view", item=shop.kitchen[0].external_id)
    assert "Personalization is off" in noted["toast"]
    assert "Because you looked at" not in tab.page().text

    granted = tab.post("/consent/", personalization="on", next="/")
    assert (
        "Because you looked at Frying pan" in Page(granted.content.decode()).tiles["Chef's knife"]
    )
    noted = tab.tell("/events/", kind="view", item=shop.kitchen[3].external_id)
    assert noted["toast"] == "Noted: you looked at Stockpot. Recommendations updated."

    withdrawn = tab.post("/consent/", personalization="off", next="/cart/")
    assert "Because you looked at" not in Page(withdrawn.content.decode()).text
    assert "Because you looked at" not in tab.page().text
    consent = Consent.objects.get(shopper__identities__value__startswith="web-")
    assert (consent.granted, consent.source) == (False, "switch on the demo storefront")


@pytest.mark.parametrize(
    "address", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)", ""]
)
def test_a_form_never_leads_to_another_site(tab: Browser, address: str) -> None:
    response = tab.client.post("/consent/", {"next": address}, headers={"Host": tab.host})
    assert (response.status_code, response.headers["Location"]) == (302, "/")


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


def test_what_a_visitor_does_is_recorded_with_the_slate_it_answers(tab: Browser) -> None:
    shopper = camper(planted_shop())
    decision = tab.shop_as(shopper).decision
    for kind in ("click", "view", "dismiss"):
        tab.tell("/events/", kind=kind, item="C1", decision=decision)
        event = events_of(EventKind(kind))[-1]
        assert (event.shopper, item_of(event)) == (shopper, "C1")
        assert event.decision_id == UUID(decision)
        assert event.session_id is not None
    assert "Sleeping bag" not in tab.page().tiles


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"kind": "view", "item": "nothing"}, 404),
        ({"kind": "view", "item": "C\x001"}, 404),
        ({"kind": "view"}, 404),
        ({"kind": "purchase", "item": "C1"}, 400),
        ({"kind": "", "item": "C1"}, 400),
        ({"kind": "view", "item": "C1", "decision": "not-a-decision"}, 200),
    ],
)
def test_a_bad_event_is_refused_and_nothing_is_stored(
    tab: Browser, fields: dict[str, str], status: int
) -> None:
    make_item("C1")
    response = tab.post("/events/", **fields)
    assert response.status_code == status
    assert Event.stored.count() == (1 if status == 200 else 0)


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
    assert fewer == {"toast": "Camping stove: 1 in your cart.", "cart": 1}
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


def test_why_tells_every_contribution_and_they_add_up(tab: Browser) -> None:
    shop = planted_shop()
    shopper = camper(shop)
    make_event(shopper, shop.camping[2], EventKind.VIEW)
    ensure_default_placements()
    MerchandisingRule.objects.create(
        status="live", name="Tent weeks", kind="boost", category="Camping"
    )
    cook = MerchandisingRule.objects.create(
        name="Cook of the week", kind="pin", status="live", item=shop.kitchen[0]
    )
    cook.placements.add(home_placement())
    unsettle()
    page = tab.shop_as(shopper)
    assert next(iter(page.tiles)) == "Frying pan"

    why = tab.page(page.why_links["C1"])
    amounts = [float(a) for a in re.findall(r'class="amount">([+-][\d.]+)<', why.html)]
    score = re.search(r"data-score>([\d.]+)<", why.html)
    assert score
    assert sum(amounts) == pytest.approx(float(score[1]), abs=len(amounts) * 0.5e-4)
    assert "You bought “Tent” on" in why.text
    assert "You looked at “Camping stove” on" in why.text
    assert "The shop's rule “Tent weeks” featured by the shop +0.5000" in why.text
    assert "Not interested" in why.text

    pinned = tab.page(page.why_links["K0"])
    assert "The shop put it first, whatever its score: “Cook of the week”." in pinned.text


def home_placement() -> Placement:
    return Placement.objects.get(code="home")


def test_why_is_told_to_nobody_but_the_shopper_it_is_about(tab: Browser) -> None:
    page = tab.shop_as(camper(planted_shop()))
    address = page.why_links["C1"]
    assert tab.get(address).status_code == 200

    stranger = Browser(tab.host)
    stranger.get("/")
    response = stranger.get(address)
    assert response.status_code == 404
    assert "Tent" not in response.content.decode()
    assert tab.get(address.replace("C1", "C0")).status_code == 404  # was not in that slate


def test_two_stores_and_two_browsers_share_nothing(tab: Browser, tenants: TenantPair) -> None:
    shop = planted_shop()
    tab.shop_as(camper(shop))
    tab.post("/cart/change/", item="C3")
    with schema_context(tenants.theirs.schema_name):
        make_item("theirs", title="Theirs", category_path=("Elsewhere",))

    # A cookie of one store, sent to the other, opens nothing there.
    other_store = Browser("theirs.localhost", client=tab.client)
    page = other_store.page()
    assert list(page.tiles) == ["Theirs"]
    assert "New visitor" in page.text
    assert "Elsewhere" in page.text
    assert "Camping" not in page.text
    assert "Nothing in here yet" in other_store.page("/cart/").text
    assert other_store.get("/items/C3/").status_code == 404
    assert tab.get("/items/theirs/").status_code == 404

    other_browser = Browser(tab.host)
    assert "New visitor" in other_browser.page().text
    assert "Nothing in here yet" in other_browser.page("/cart/").text


def test_choosing_another_shopper_leaves_the_cart_behind(tab: Browser) -> None:
    shop = planted_shop()
    cook = featured(make_shopper("cook"), "Kit Cook", position=1)
    tab.shop_as(camper(shop))
    tab.post("/cart/change/", item="C3")
    tab.shop_as(cook)
    assert "Nothing in here yet" in tab.page("/cart/").text
    assert tab.get("/orders/latest/").redirect_chain[-1][0] == "/cart/"


def test_pages_are_kept_by_no_cache(tab: Browser) -> None:
    make_item("lamp")
    for path in ("/", "/items/lamp/", "/cart/", "/shoppers/", "/slates/home/"):
        assert "no-store" in tab.get(path).headers["Cache-Control"], path


@pytest.mark.parametrize("item", ["nothing", "%00", "..", "%F0%9F%8F%95", "x" * 3_000, "a'b%22--"])
def test_an_unknown_item_gets_a_page_of_the_store(tab: Browser, item: str) -> None:
    make_item(category_path=("Lamps",))
    response = tab.get(f"/items/{item}/")
    assert response.status_code == 404
    if item != "..":
        page = Page(response.content.decode())
        assert "There is no such item here" in page.text
        assert "Lamps" in page.text


@pytest.mark.parametrize(
    "path",
    [
        "/departments/nowhere/",
        "/slates/nowhere/",
        "/slates/item/",
        "/slates/item/?item=nothing",
        "/slates/item/?item=%00",
        "/why/00000000-0000-4000-8000-000000000000/C1/",
        "/demo/pictures/nothing.svg",
        "/demo/pictures/%00.svg",
    ],
)
def test_what_is_not_there_is_not_found(tab: Browser, path: str) -> None:
    make_item("C1")
    assert tab.get(path).status_code == 404


def test_a_department_shows_each_thing_once_in_a_color_that_is_in_stock(tab: Browser) -> None:
    for color, stock in (("red", 0), ("blue", 5), ("green", 5)):
        make_item(
            f"cup-{color}",
            title=f"Cup, {color}",
            stock=stock,
            group_id="cup",
            category_path=("Kitchen & Bar", "Cups"),
            attributes={"color": color, "capacity_ml": 250, "handmade": True},
        )
    make_item("pan", title="Pan", category_path=("Kitchen & Bar", "Pans"))
    page = tab.page("/departments/kitchen-bar/")
    assert list(page.tiles) == ["Cup, blue", "Pan"]
    assert "2 more colors" in page.tiles["Cup, blue"]
    assert list(tab.page("/departments/kitchen-bar/?section=pans").tiles) == ["Pan"]
    for odd in ("?page=99", "?page=x", "?section=%00", "?page=-1"):
        assert tab.get(f"/departments/kitchen-bar/{odd}").status_code == 200

    item = tab.page("/items/cup-blue/")
    assert "Color Red Blue Green" in item.text
    assert "Capacity 250 ml" in item.text
    assert "Handmade Yes" in item.text


def test_a_department_is_read_page_by_page(tab: Browser) -> None:
    for number in range(30):
        make_item(title=f"Thing {number:02}", category_path=("Things",))
    first, second = (
        tab.page("/departments/things/"),
        tab.page("/departments/things/?page=2"),
    )
    assert (len(first.tiles), len(second.tiles)) == (24, 6)
    assert not first.tiles.keys() & second.tiles.keys()
    assert "Page 1 of 2" in first.text


def test_a_picture_is_cached_and_can_run_nothing(tab: Browser, tenants: TenantPair) -> None:
    demo_item = shop_items()[0]
    make_item(demo_item.external_id)
    path = f"/demo/pictures/{demo_item.external_id}.svg"
    response = tab.get(path)
    assert response.headers["Content-Type"] == "image/svg+xml"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert response.headers["Cache-Control"] == "public, max-age=604800"
    assert response.content.startswith(b"<svg")

    make_item("not-of-the-demo")
    assert tab.get("/demo/pictures/not-of-the-demo.svg").status_code == 404
    assert Browser("theirs.localhost").get(path).status_code == 404


def test_texts_from_the_catalog_and_of_shoppers_are_never_markup(tab: Browser) -> None:
    evil = "<script>alert(1)</script>"
    make_item("evil", title=evil, brand=evil, description=evil, category_path=(evil,))
    featured(make_shopper("evil"), evil)
    for path in ("/", "/items/evil/", "/shoppers/", "/departments/scriptalert1script/"):
        html = tab.page(path).html
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert" in html


@pytest.mark.parametrize(
    "path", ["/events/", "/cart/change/", "/cart/check-out/", "/shoppers/choose/", "/consent/"]
)
def test_no_other_site_can_act_for_a_visitor(tab: Browser, path: str) -> None:
    careful = Browser(tab.host, client=Client(enforce_csrf_checks=True))
    assert careful.post(path, item="C1").status_code == 403
    assert careful.get(path).status_code == 405


def test_the_academy_speaks_of_enrolling_and_never_of_stock(tenant: Tenant) -> None:
    cache.clear()
    academy = open_tenant(schema_name=ACADEMY.schema, name=ACADEMY.name, host=ACADEMY.host)
    with schema_context(academy.schema_name):
        for external_id, kind, price in (
            ("course", ItemKind.PLAN, "149.00"),
            ("lesson", ItemKind.LESSON, "0.00"),
        ):
            make_item(
                external_id,
                title=external_id.title(),
                kind=kind,
                price=price,
                stock=None,
                brand="Amara Diallo",
                attributes={"hours": 32.0} if kind == ItemKind.PLAN else {"minutes": 28},
            )
    tab = Browser(ACADEMY.host)
    home = tab.page()
    assert "Quillmoor Academy" in home.text
    assert "Course · 32 hours" in home.tiles["Course"]
    assert "Free" in home.tiles["Lesson"]
    course = tab.page("/items/course/").text
    assert "by Amara Diallo" in course
    assert "Enroll" in course
    assert "Take this lesson" in tab.page("/items/lesson/").text

    assert tab.tell("/cart/change/", item="course")["cart"] == 1
    assert tab.tell("/cart/change/", item="course")["cart"] == 1
    cart = tab.page("/cart/")
    assert "Complete enrollment" in cart.text
    done = tab.post("/cart/check-out/", order=cart.value_of("order"), total=cart.value_of("total"))
    assert "You are enrolled" in done.content.decode()
    for text in (home.text, course, cart.text):
        assert "stock" not in text.lower()
        assert "add to cart" not in text.lower()


def test_a_placement_that_is_switched_off_leaves_the_page_standing(tab: Browser) -> None:
    planted_shop()
    ensure_default_placements()
    placement = Placement.objects.get(code="item")
    assert tab.page("/items/C0/").tiles
    placement.active = False
    placement.save()
    assert tab.page("/items/C0/").tiles == {}


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


def test_what_withdrew_consent_did_is_not_counted_for_anybody(tab: Browser) -> None:
    shopper = camper(planted_shop())
    tab.shop_as(shopper)
    assert permitted_events(Purpose.PERSONALIZATION).filter(shopper=shopper).count() == 1
    record_consent(shopper, Purpose.PERSONALIZATION, granted=False, source="tests")
    assert "Because you bought" not in tab.page().text
    assert "Popular at Ours" in tab.page().text


def test_the_statements_of_a_page_do_not_grow_with_the_shop(tab: Browser) -> None:
    planted_shop()
    statements = []
    for round_ in range(2):
        for number in range(30 * round_):
            make_item(f"more-{number}", category_path=(f"Department {number % 3}",))
        tab.get("/")  # warms the session and the caches of tenant, departments and placements
        with CaptureQueriesContext(connection) as queries:
            tab.get("/")
        statements.append(len(queries))
    # The search path, the visitor, two slates with their offers, and the policy of signals.
    assert statements[1] <= statements[0] <= 16, [q["sql"][:80] for q in queries]


def test_an_item_page_shows_the_reviews_that_the_catalog_holds(tab: Browser) -> None:
    lamp = make_item("lamp", title="Oil lamp", group_id="lamps")
    twin = make_item("lamp-2", title="Oil lamp, brass", group_id="lamps")
    assert "What people say" not in tab.get("/items/lamp/").content.decode()
    for item, rating, text in ((lamp, 5, "Bright <b>and</b> warm."), (twin, 2, "It smokes.")):
        Review.objects.create(item=item, external_id=text, rating=rating, text=text, author="Ann")
    refresh_ratings([lamp.pk])
    page = tab.get("/items/lamp/").content.decode()
    assert "3.5 of 5 from 2 reviews" in page
    assert "It smokes." in page
    assert "Bright <b>" not in page, "a review is no markup"
