"""The pages of the demo storefront, as a browser without script sees them."""

import re
from uuid import UUID

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_tenants.utils import schema_context

from catalog.models import ItemKind, Review
from catalog.reviews import refresh_ratings
from demo.storefront.why import BECAUSE, DEEDS
from demo.stores import ACADEMY
from profiles.consent import permitted_events, record_consent
from profiles.models import Consent, Event, EventKind, Purpose
from profiles.signals import SignalKind
from recommendations.models import MerchandisingRule, Placement
from recommendations.pipeline.explanation import WORDS
from recommendations.placements import ensure_default_placements
from tenants.models import Tenant
from tenants.opening import open_tenant
from tenants.settled import unsettle
from tests.demo.browser import Browser, Page, camper, events_of, item_of
from tests.make import make_event, make_item
from tests.shop import planted_shop


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


def test_every_signal_and_generator_is_told_in_words() -> None:
    assert set(DEEDS) == set(map(str, SignalKind))
    assert set(BECAUSE) >= set(WORDS)


def test_what_a_shopper_leaves_out_is_used_no_more_until_they_take_it_back(tab: Browser) -> None:
    shop = planted_shop()
    page = tab.shop_as(camper(shop))
    assert "Because you bought Tent" in page.tiles["Sleeping bag"]
    why = tab.page(page.why_links["C1"])
    assert "Don’t use this" in why.text

    said = tab.tell("/mute/", item=why.value_of("item"))
    assert said == {
        "toast": "What you did with Tent is not used any more.", "cart": 0, "left_out": 1
    }  # fmt: skip
    page = tab.page()
    assert "bought Tent" not in page.text
    assert "Left out at your wish: 1" in page.text

    back = tab.post("/unmute/", next="/")
    assert "Because you bought Tent" in Page(back.content.decode()).tiles["Sleeping bag"]


def test_nobody_leaves_out_what_is_not_there(tab: Browser) -> None:
    tab.get("/")
    assert tab.post("/mute/", item="NONE").status_code == 404
    assert tab.post("/unmute/", next="https://elsewhere.example/").status_code == 200


def home_placement() -> Placement:
    return Placement.objects.get(code="home")


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
