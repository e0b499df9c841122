"""The admin in a real browser: it works under the content policy that it is served with."""

import base64
from pathlib import Path

import pytest
from django_otp.oath import totp
from playwright.sync_api import Browser, expect

from tests.demo.chromium import address, chromium, opened
from tests.staff import PASSWORD

__all__ = ["address", "chromium"]

pytestmark = pytest.mark.browser

ADMIN_PAGES = (
    "/admin/",
    "/admin/catalog/item/",
    "/admin/catalog/itemquality/",
    "/admin/catalog/feedimport/add/",
    "/admin/profiles/shopper/",
    "/admin/profiles/event/",
    "/admin/recommendations/decision/",
    "/admin/recommendations/merchandisingrule/add/",
    "/admin/recommendations/merchandisingrule/try/?placement=home&run=1",
    "/admin/recommendations/placement/",
    "/admin/tenants/staffuser/add/",
    "/admin/tenants/auditentry/",
)


def test_the_admin_works_under_its_content_policy(
    chromium: Browser, address: str, tmp_path: Path
) -> None:
    """From adding a second factor to the trail of it; `opened` fails for anything blocked."""
    with opened(chromium, address) as page:
        page.goto("/admin/login/")
        page.get_by_label("Username").fill("olga")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.goto("/admin/second-factor/")
        expect(page.locator(".attune-qr svg")).to_be_visible()
        page.screenshot(path=tmp_path / "enroll.png")
        page.get_by_text("No camera?").click()
        key = base64.b32decode(page.locator("details code").inner_text().replace(" ", ""))
        page.get_by_label("Code").fill(f"{totp(key):06d}")
        page.get_by_role("button", name="Add it").click()
        expect(page.locator(".attune-codes li")).to_have_count(10)
        page.screenshot(path=tmp_path / "codes.png")
        page.get_by_role("link", name="I have kept them").click()
        for path in ADMIN_PAGES:
            page.goto(path)
            expect(page.get_by_role("link", name="Audit trail")).to_be_visible()
        page.screenshot(path=tmp_path / "trail.png")

        # The theme's own script runs: its filters open, and filter.
        page.locator("a", has_text="Filters").first.click()
        expect(page.get_by_role("button", name="Apply Filters")).to_be_visible()
        page.screenshot(path=tmp_path / "filters.png")
        page.goto("/admin/tenants/auditentry/?verb=added+second+factor")
        page.locator(".field-moment a").first.click()
        expect(page.get_by_text("authenticator app").first).to_be_visible()
        page.screenshot(path=tmp_path / "entry.png")
        page.goto("/api/docs/")
        expect(page.get_by_text("Attune").first).to_be_visible()
