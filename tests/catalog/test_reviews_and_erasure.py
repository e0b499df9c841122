"""Reviews that are being written while their author is erased."""

import io
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from catalog.feeds.options import FeedDefaults
from catalog.importing import run_import
from catalog.intakes.reviews import ReviewIntake
from catalog.models import FeedContent, FeedImport, Review
from catalog.review_batches import write_reviews
from profiles.requests import request_erasure, run
from tenants.models import Tenant
from tenants.tombstones import hold_still, put_up
from tests.conftest import TenantPair
from tests.make import make_item, make_shopper
from tests.threads import at_once

FEED = "item,external_id,rating,text,shopper\n" + "".join(
    f"A,r-{number},4,Words of {who},{who}\n" for number, who in enumerate(["zoe", "bob", "zoe"])
)


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    settings.PRIVACY_DIR = tmp_path / "privacy"
    settings.MEDIA_ROOT = tmp_path / "media"


def test_an_author_who_is_erased_between_reading_and_merging_a_feed_is_left_out(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_item("A")
    make_shopper("zoe")
    merge = ReviewIntake.merge

    def erased_first(self: ReviewIntake, cursor: Any, *, full: bool) -> Any:
        run(request_erasure("zoe", named_by="known", by="tests"))
        return merge(self, cursor, full=full)

    monkeypatch.setattr(ReviewIntake, "merge", erased_first)
    feed_import = FeedImport.objects.create(
        content=FeedContent.REVIEWS, format="csv", file_name="reviews.csv"
    )
    run_import(feed_import, io.BytesIO(FEED.encode()))
    assert list(Review.objects.values_list("shopper", "text")) == [("bob", "Words of bob")]


def test_an_erasure_waits_for_reviews_that_are_being_written(committed: TenantPair) -> None:
    order: list[str] = []
    holding = threading.Event()

    def writes() -> None:
        with transaction.atomic():
            hold_still()
            holding.set()
            time.sleep(0.5)
            order.append("written")

    def erases() -> None:
        assert holding.wait(10)
        with transaction.atomic():
            put_up([("known", "zoe")], timezone.now())
            order.append("erased")

    at_once(writes, erases)
    assert order == ["written", "erased"]
    make_item("A")
    row = {"item": "A", "external_id": "r-1", "rating": 4, "text": "Words", "shopper": "zoe"}
    assert [o.status.value for o in write_reviews([row], defaults=FeedDefaults())] == ["unchanged"]
    assert not Review.objects.exists()
