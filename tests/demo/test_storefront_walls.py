"""What no visitor of the demo storefront can do to another, or from another site."""

import pytest
from django.test import Client
from django_tenants.utils import schema_context

from demo.shop_catalog import shop_items
from profiles.models import EventKind
from tests.conftest import TenantPair
from tests.demo.browser import Browser, camper, featured
from tests.make import make_event, make_item, make_shopper
from tests.shop import planted_shop


def test_nobody_can_become_a_shopper_who_is_not_introduced(tab: Browser) -> None:
    shop = planted_shop()
    shopper = make_shopper("private")
    make_event(shopper, shop.camping[0], EventKind.PURCHASE)

    response = tab.post("/shoppers/choose/", shopper="private")
    assert response.status_code == 404
    assert "Because you bought" not in tab.page().text

    featured(shopper, "Not Private Any More")
    assert "Because you bought Tent" in tab.shop_as(shopper).text


@pytest.mark.parametrize(
    "address", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)", ""]
)
def test_a_form_never_leads_to_another_site(tab: Browser, address: str) -> None:
    response = tab.client.post("/consent/", {"next": address}, headers={"Host": tab.host})
    assert (response.status_code, response.headers["Location"]) == (302, "/")


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
    "path",
    [
        "/events/",
        "/cart/change/",
        "/cart/check-out/",
        "/shoppers/choose/",
        "/consent/",
        "/mute/",
        "/unmute/",
    ],
)
def test_no_other_site_can_act_for_a_visitor(tab: Browser, path: str) -> None:
    careful = Browser(tab.host, client=Client(enforce_csrf_checks=True))
    assert careful.post(path, item="C1").status_code == 403
    assert careful.get(path).status_code == 405
