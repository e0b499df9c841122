"""A store of its own behind a real server, and the pages of a real browser there."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.cache import cache
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.utils import timezone
from django_tenants.utils import schema_context
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from demo.loading import load_store
from tenants.closing import close_tenant
from tenants.models import StaffUser, Tenant
from tests.demo.small_store import small_data, small_store
from tests.staff import PASSWORD

STORE = small_store("small_web", "small-web.localhost")
CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP, PHONE = (1280, 900), (390, 844)


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *_args: Any) -> None:
        """Requests are not worth a line each."""


@pytest.fixture(scope="module")
def address(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """Where the store answers.

    Its tenant is committed, for the server's threads have connections of their own; it is opened
    here and closed here, so no test that rolls back, or flushes, meets it.
    """
    if CHROMIUM is None:
        pytest.skip("There is no chromium on the PATH; on Debian, apt-get install chromium.")
    with django_db_blocker.unblock():
        cache.clear()
        load_store(STORE, small_data, now=timezone.now(), step=_step)
        with schema_context(STORE.schema):
            StaffUser.objects.create_user("olga", None, PASSWORD, role="administrator")
            StaffUser.objects.update(is_staff=True)
        try:
            with _serving() as port:
                yield f"http://{STORE.host}:{port}"
        finally:
            close_tenant(Tenant.objects.get(schema_name=STORE.schema))
            cache.clear()


def _step(_what: str) -> AbstractContextManager[None]:
    return nullcontext()


@contextmanager
def _serving() -> Iterator[int]:
    """The application with its static files, on a free port."""
    server = ThreadedWSGIServer(("127.0.0.1", 0), QuietHandler)
    server.set_app(StaticFilesHandler(WSGIHandler()))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def chromium(address: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def opened(
    chromium: Browser, address: str, *, size: tuple[int, int] = DESKTOP, script: bool = True
) -> Iterator[Page]:
    """A page of a fresh browser. Fails when anything in it broke that the test did not see."""
    width, height = size
    context: BrowserContext = chromium.new_context(
        base_url=address,
        viewport={"width": width, "height": height},
        java_script_enabled=script,
        reduced_motion="reduce",
    )
    context.set_default_timeout(15_000)
    page = context.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.on(
        "console",
        lambda said: broken.append(said.text) if "Content Security Policy" in said.text else None,
    )
    page.on(
        "response",
        lambda answer: broken.append(answer.url) if answer.status >= 400 else None,
    )
    yield page
    context.close()
    assert broken == []
