"""The demo storefront in a real browser, against a server with a store of its own."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.demo.chromium import PHONE, STORE, address, chromium, opened
from tests.demo.small_store import CAMPER, COOK, REFUSER

__all__ = ["address", "chromium"]

pytestmark = pytest.mark.browser


@pytest.fixture
def store_page(chromium: Browser, address: str) -> Iterator[Page]:
    with opened(chromium, address) as page:
        yield page


def session(address: str) -> Callable[..., str]:
    """Reads the store's pages as one browser without script would: (path, form fields) -> HTML."""
    opener = build_opener(HTTPCookieProcessor(), ProxyHandler({}))
    port = address.rsplit(":", 1)[1]

    def read(path: str, fields: dict[str, str] | None = None) -> str:
        request = Request(  # a server of the test's own
            f"http://127.0.0.1:{port}{path}",
            data=None if fields is None else urlencode(fields).encode(),
            headers={"Host": f"{STORE.host}:{port}"},
        )
        with opener.open(request, timeout=15) as answer:
            page: str = answer.read().decode()
        return page

    return read


def shop_as(page: Page, name: str) -> None:
    page.goto("/")
    page.get_by_role("link", name="Change shopper").click()
    dialog = page.get_by_role("dialog", name="Who is shopping?")
    dialog.get_by_role("button", name=re.compile(f"^{name}")).click()
    expect(page.get_by_text(f"Shopping as {name}")).to_be_visible()


def tiles(page: Page) -> Locator:
    """The tiles of the first slate on the page."""
    return page.locator("[data-slate]").first.locator("[data-tile]")


def reasons(page: Page) -> dict[str, str]:
    """The reason on each tile of the first slate, by external id."""
    return {
        tile.get_attribute("data-tile") or "": tile.locator(".reason").inner_text()
        for tile in tiles(page).all()
    }


def toast(page: Page) -> Locator:
    return page.get_by_role("status")


def test_a_shopper_sees_reasons_and_what_they_are_made_of(store_page: Page) -> None:
    page = store_page
    shop_as(page, "Cora Number0")
    expect(page.get_by_role("heading", name="Picked for Cora")).to_be_visible()
    shown = reasons(page)
    assert len(shown) == 12
    assert all(shown.values())
    assert any(reason.startswith("Because you bought ") for reason in shown.values())

    tile = tiles(page).filter(has_text="Because you bought").first
    link = tile.get_by_role("link", name="Why this?")
    link.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Why this?")
    expect(dialog).to_contain_text(tile.locator(".reason").inner_text())
    expect(dialog).to_contain_text(re.compile("You bought “.+” .*on .* often chosen by"))
    dialog.locator("summary").click()
    amounts = [float(amount) for amount in dialog.locator(".amount").all_inner_texts()]
    score = float(dialog.locator("[data-score]").inner_text())
    assert sum(amounts) == pytest.approx(score, abs=len(amounts) * 0.5e-4)
    widths = [
        float(bar.get_attribute("width") or 0)
        for bar in dialog.locator(".bar rect:not(.bar-back)").all()
    ]
    assert widths[0] == 100
    assert widths == sorted(widths, reverse=True)

    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(link).to_be_focused()


def test_what_a_shopper_does_changes_the_slate_and_its_reasons_at_once(store_page: Page) -> None:
    page = store_page
    page.goto("/")
    page.get_by_role("switch", name="Personalization").click()
    expect(page.get_by_text("We know nothing of you yet.")).to_be_visible()
    before = reasons(page)

    tile = tiles(page).first
    title = tile.locator(".tile-title").inner_text()
    put = tile.get_attribute("data-tile") or ""
    tile.get_by_role("button", name="Add to cart").click()
    expect(toast(page)).to_have_text(f"Noted: {title} is in your cart. Recommendations updated.")
    expect(page.locator("[data-cart-pieces]")).to_contain_text("1")
    expect(page.get_by_role("heading", name="Picked for you")).to_be_visible()
    after = reasons(page)
    assert put not in after
    assert f"Because you put {title} in your cart" in after.values()
    assert not any("your cart" in reason for reason in before.values())


def test_an_order_counts_from_then_on(store_page: Page) -> None:
    page = store_page
    shop_as(page, "Kit Number1")
    tile = tiles(page).filter(has_text="Because you bought").first
    title = tile.locator(".tile-title").inner_text()
    put = tile.get_attribute("data-tile")
    tile.get_by_role("button", name="Add to cart").click()
    expect(page.locator(f'[data-slate] [data-tile="{put}"]')).to_have_count(0)

    page.get_by_role("link", name=re.compile("^Cart")).click()
    expect(page.get_by_role("heading", name="Before you order")).to_be_visible()
    assert f"Goes with {title} in your cart" in reasons(page).values()
    page.get_by_role("button", name="Place order").click()
    expect(page.get_by_role("heading", name="Thank you for your order, Kit")).to_be_visible()
    expect(page.locator("[data-cart-pieces]")).to_be_hidden()
    assert put not in reasons(page)


def test_a_click_leads_to_the_item_and_counts_on_the_way_back(store_page: Page) -> None:
    page = store_page
    shop_as(page, "Cora Number0")
    tile = tiles(page).nth(5)
    title = tile.locator(".tile-title").inner_text()
    with page.expect_request(
        lambda r: r.url.endswith("/events/") and "kind=click" in (r.post_data or "")
    ):
        tile.locator(".tile-link").click()
    expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
    expect(toast(page)).to_have_text(f"Noted: you looked at {title}. Recommendations updated.")
    expect(page.get_by_role("img", name=title)).to_be_visible()

    page.go_back()
    why = page.locator("[data-slate]").first.get_by_role("link", name=f"Why this? {title}")
    why.click()
    expect(page.get_by_role("dialog")).to_contain_text(f"You looked at “{title}”")


def test_what_is_of_no_interest_leaves_and_does_not_come_back(store_page: Page) -> None:
    page = store_page
    shop_as(page, "Kit Number1")
    tile = tiles(page).nth(2)
    unwanted = tile.get_attribute("data-tile")
    tile.get_by_role("link", name="Why this?").click()
    page.get_by_role("dialog").get_by_role("button", name="Not interested").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(toast(page)).to_contain_text("you will not see")
    expect(page.locator(f'[data-slate] [data-tile="{unwanted}"]')).to_have_count(0)
    page.reload()
    assert unwanted not in reasons(page)


def test_a_new_visitor_decides_whether_what_they_do_is_used(store_page: Page) -> None:
    page = store_page
    page.goto("/")
    of_everybody = {
        "Popular this month",
        "Trending this week",
        "Trending now",
        "Promoted by the shop",
    }
    expect(page.get_by_role("heading", name="Popular at Small Larkfield")).to_be_visible()
    assert set(reasons(page).values()) <= of_everybody
    # Not the first: that one is pinned, and stays what the shop features.
    title = tiles(page).nth(1).locator(".tile-title").inner_text()
    tiles(page).nth(1).locator(".tile-link").click()
    expect(toast(page)).to_contain_text("Personalization is off: nothing is learned from it.")

    page.goto("/")
    assert set(reasons(page).values()) <= of_everybody
    switch = page.get_by_role("switch", name="Personalization")
    expect(switch).not_to_be_checked()
    switch.click()
    expect(switch).to_be_checked()
    expect(page.get_by_role("heading", name="Picked for you")).to_be_visible()
    # One view weighs little against what everybody buys, but now it is in the ledger.
    tiles(page).nth(1).get_by_role("link", name="Why this?").click()
    dialog = page.get_by_role("dialog", name="Why this?")
    expect(dialog).to_contain_text(title)
    expect(dialog).to_contain_text("You looked at")
    page.keyboard.press("Escape")

    switch.click()
    expect(switch).not_to_be_checked()
    assert set(reasons(page).values()) <= of_everybody


def test_a_search_is_suggested_understood_and_taken_apart_again(store_page: Page) -> None:
    page = store_page
    results = page.locator(".results [data-tile]")
    page.goto("/")
    box = page.get_by_role("combobox", name="Search Small Larkfield")
    box.press_sequentially("kitc")
    suggestion = page.get_by_role("option").filter(has_text="Kitchen").first
    expect(suggestion).to_contain_text("Category")
    box.press("ArrowDown")
    expect(page.get_by_role("option", selected=True)).to_have_count(1)
    box.press("Escape")
    expect(suggestion).to_be_hidden()

    with page.expect_response(lambda answer: answer.url.endswith("/events/")) as noted:
        box.fill("kitchen under 40 euros")
        box.press("Enter")
    assert noted.value.status == 204
    understood = page.get_by_role("link", name="Remove: Up to €40")
    expect(understood).to_be_visible()
    within = results.count()

    understood.click()
    expect(page.get_by_role("link", name="Remove: Up to €40")).to_have_count(0)
    assert results.count() >= within

    page.get_by_role("link", name="Price, low to high").click()
    expect(page.get_by_role("link", name="Price, low to high")).to_have_attribute(
        "aria-current", "true"
    )
    results.first.locator(".tile-link").click()
    expect(page.locator("[data-viewed]")).to_have_attribute("data-decision", re.compile(".{36}"))


def test_every_page_fits_a_phone(chromium: Browser, address: str) -> None:
    with opened(chromium, address, size=PHONE) as page:
        shop_as(page, "Cora Number0")
        tiles(page).first.get_by_role("button", name="Add to cart").click()
        expect(toast(page)).to_contain_text("Noted")
        item = tiles(page).first.locator(".tile-link").get_attribute("href") or ""
        for path in (
            "/",
            item,
            "/cart/",
            "/departments/kitchen/",
            "/shoppers/",
            "/search/?q=under+40+euros",
        ):
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0], path


def test_shoppers_at_the_same_time_each_see_their_own_page(address: str) -> None:
    names = {CAMPER: "Cora Number0", COOK: "Kit Number1", REFUSER: "Cora Number2"}

    def visit(shopper: str) -> list[str]:
        """Who the pages say is shopping, ten times in one session."""
        read = session(address)
        token = re.search(r'name="csrf-token" content="(\w+)"', read("/"))
        assert token
        read("/shoppers/choose/", {"shopper": shopper, "csrfmiddlewaretoken": token[1]})
        return [
            name for _ in range(10) for name in re.findall("<strong>Shopping as ([^<]+)", read("/"))
        ]

    with ThreadPoolExecutor(6) as pool:
        seen = list(pool.map(visit, [*names, *names]))
    assert seen == [[names[shopper]] * 10 for shopper in [*names, *names]]


def test_without_script_everything_still_works(chromium: Browser, address: str) -> None:
    with opened(chromium, address, script=False) as page:
        page.goto("/")
        page.get_by_role("link", name="Change shopper").click()
        page.get_by_role("button", name=re.compile("^Cora Number0")).click()
        expect(page.get_by_role("heading", name="Picked for Cora")).to_be_visible()

        tiles(page).first.get_by_role("link", name="Why this?").click()
        expect(page.locator(".amount").first).to_be_visible()
        page.go_back()
        tiles(page).first.get_by_role("button", name="Add to cart").click()
        expect(page.get_by_role("heading", name="Cart", level=1)).to_be_visible()
        page.get_by_role("button", name="Place order").click()
        expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
