"""A privacy officer's work in a real browser, which also takes the pictures of the document.

`make pictures` keeps them in docs/pictures; else nobody looks at them.
"""

import base64
import os
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from django_otp.oath import totp
from django_tenants.utils import schema_context
from playwright.sync_api import Browser, Page, expect
from pytest_django import Settings

from profiles.certificates import verify
from profiles.models import PrivacyRequest
from profiles.requests import deny, open_request, take_in
from profiles.tasks import apply_retention, run_privacy_requests
from tenants.connection import connection
from tenants.models import StaffUser
from tests.demo.chromium import STORE, address, chromium, opened
from tests.demo.small_store import CAMPER, COOK, REFUSER
from tests.staff import PASSWORD

__all__ = ["address", "chromium"]

pytestmark = pytest.mark.browser

REQUESTS = "/admin/profiles/privacyrequest/"
SIZE = (1280, 800)  # narrower, and the sidebar folds away
Picture = Callable[[Page, str], None]


@pytest.fixture
def picture(tmp_path: Path) -> Picture:
    """Takes a picture of what the window shows, once the page has come to rest."""
    folder = Path(os.environ.get("PICTURES") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def take(page: Page, name: str) -> None:
        page.wait_for_load_state("networkidle")
        page.screenshot(path=folder / f"{name}.png", animations="disabled")

    return take


def in_store(job: Callable[[], object]) -> None:
    """Run it in the store's schema, in a thread: the browser's own has a loop, which Django bars
    from the database."""

    def run() -> None:
        try:
            with schema_context(STORE.schema):
                job()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(run).result()


def make_officer(name: str) -> None:
    StaffUser.objects.create_user(name, None, PASSWORD, role="privacy_officer", is_staff=True)


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    settings.PRIVACY_DIR = tmp_path / "privacy"


def sign_in(page: Page, name: str, picture: Picture) -> None:
    """With a second factor, which is added on the first day."""
    page.goto("/admin/login/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.goto("/admin/second-factor/")
    picture(page, "second-factor")
    page.get_by_text("No camera?").click()
    key = base64.b32decode(page.locator("details code").inner_text().replace(" ", ""))
    page.get_by_label("Code").fill(f"{totp(key):06d}")
    page.get_by_role("button", name="Add it").click()
    page.get_by_role("link", name="I have kept them").click()


def plant_requests() -> None:
    """What waits already: one overdue, one pressing, one denied; and a night that has passed."""
    now = timezone.now()
    kinds = PrivacyRequest.Kind
    for kind, named, days in (
        (kinds.OBJECTION, "small-5", 34), (kinds.RECTIFICATION, COOK, 26), (kinds.ACCESS, CAMPER, 3)
    ):  # fmt: skip
        open_request(kind, named, received_at=now - timedelta(days=days), note="By e-mail.")
    denied = open_request(kinds.ERASURE, REFUSER, received_at=now - timedelta(days=9))
    deny(denied, "It came from an address that is not the customer's.", by="petra")
    apply_retention(STORE.schema)


def press(page: Page, button: str, fill: str = "", *, confirm: str) -> None:
    """Press one of the buttons of a request, and confirm its dialog."""
    page.locator("a", has_text=button).first.click()
    expect(page.locator("#dialog")).to_be_visible()
    if fill:
        page.locator("#dialog textarea").fill(fill)
    page.get_by_role("button", name=confirm).click()


def test_an_officer_works_a_request_from_letter_to_certificate(
    chromium: Browser, address: str, picture: Picture
) -> None:
    in_store(lambda: make_officer("petra"))
    in_store(plant_requests)
    with opened(chromium, address, size=SIZE) as page:
        sign_in(page, "petra", picture)
        page.goto("/admin/")
        expect(page.get_by_role("link", name="Requests")).to_be_visible()
        expect(page.get_by_role("link", name="Placements")).to_have_count(0)
        page.goto("/admin/profiles/retentionrule/")
        expect(page.get_by_text("What is kept, and how long")).to_be_visible()
        picture(page, "retention")

        page.goto(f"{REQUESTS}add/")
        page.get_by_label("Kind").select_option("erasure")
        page.locator("#id_named").fill(CAMPER)
        page.get_by_label("Note").fill("By letter of 3 May: please delete all that you hold on me.")
        picture(page, "write-down")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Overdue by 4 days")).to_be_visible()
        picture(page, "queue")

        page.locator("a", has_text="Erasure").first.click()
        expect(page.get_by_text("First make sure that the shopper asks")).to_be_visible()
        picture(page, "received")
        press(page, "Identity checked", "Answered from the address on file",
              confirm="It is the shopper")  # fmt: skip
        expect(page.get_by_text("The check is noted")).to_be_visible()
        press(page, "Approve", confirm="Approve")
        expect(page.get_by_text("A worker takes it up")).to_be_visible()
        in_store(lambda: run_privacy_requests(STORE.schema))
        expect(page.locator("#request-progress .attune-status-done")).to_be_visible()
        page.reload()
        picture(page, "finished")
        with page.expect_download() as download:
            page.locator("a", has_text="Download the certificate").click()
        signed = Path(download.value.path()).read_bytes()
        assert all(s["remaining"] == 0 for s in verify(signed).certificate["stores"])

        page.get_by_role("link", name="In the audit trail").click()
        expect(page.get_by_text("exported").first).to_be_visible()
        picture(page, "trail")


def test_an_officer_answers_what_is_held_on_somebody(
    chromium: Browser, address: str, picture: Picture, tmp_path: Path
) -> None:
    request = PrivacyRequest(kind=PrivacyRequest.Kind.ACCESS, named=COOK, note="By telephone.")
    in_store(lambda: make_officer("paul"))
    in_store(lambda: take_in(request))
    with opened(chromium, address, size=SIZE) as page:
        sign_in(page, "paul", lambda *_: None)
        page.goto(f"{REQUESTS}{request.pk}/change/")
        press(page, "Identity checked", "Called back", confirm="It is the shopper")
        expect(page.get_by_text("The check is noted")).to_be_visible()
        press(page, "Approve", confirm="Approve")
        expect(page.get_by_text("A worker takes it up")).to_be_visible()
        in_store(lambda: run_privacy_requests(STORE.schema))
        page.reload()
        with page.expect_download() as download:
            page.locator("a", has_text="Download the data").click()
        with zipfile.ZipFile(download.value.path()) as archive:
            archive.extract("index.html", tmp_path)
    with opened(chromium, (tmp_path / "index.html").as_uri(), size=SIZE) as page:
        page.goto((tmp_path / "index.html").as_uri())
        expect(page.get_by_text("You are known here as")).to_be_visible()
        picture(page, "export")
