"""Retention: what is old is removed at night, by months where all of one is old, and it is said."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.db import OperationalError, transaction
from pytest_django import Settings

from catalog.models import FeedContent, FeedImport, FeedRowError, Item
from profiles import old_events
from profiles.models import Event, EventKey, EventKind, Session, Shopper, ShopperState
from profiles.old_events import remove_old_events
from profiles.partitions import partitions
from profiles.policy import set_signal_policy
from profiles.restriction import lift_restriction, restrict
from profiles.retention import all_kept, apply_retention, kept_days
from profiles.retention_models import RetentionRule, RetentionRun
from profiles.signals import SignalKind
from profiles.state import signals_of
from profiles.tasks import apply_retention as nightly
from recommendations.models import Decision, Impression
from recommendations.search_models import Search
from tenants.audit_models import AuditEntry
from tenants.models import Tenant
from tests.conftest import TenantPair
from tests.make import make_event, make_item, make_shopper
from tests.staff import page_of, sign_in, text_of
from tests.threads import at_once

NOW = datetime(2026, 3, 20, 0, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _media(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def shop(committed: TenantPair) -> Iterator[tuple[Shopper, Item]]:
    """Committed, as by night: a table that has just been written to in a transaction cannot be
    dropped in it."""
    yield make_shopper("ann"), make_item("A")
    for name in partitions():
        if name < "profiles_event_2026":
            old_events._drop(name)


def buy(shopper: Shopper, item: Item, at: datetime, kind: EventKind = EventKind.PURCHASE) -> None:
    make_event(shopper, item, kind, at=at, session=f"visit-{at:%F}", idempotency_key=f"{kind}{at}")


def moments() -> list[str]:
    stored = Event.stored.order_by("occurred_at").values_list("occurred_at", flat=True)
    return [f"{at:%F}" for at in stored]


def signals(shopper: Shopper) -> set[str]:
    state = ShopperState.stored.get(shopper=shopper)
    return {f"{s.kind} {datetime.fromtimestamp(s.last_at, UTC):%F}" for s in signals_of(state)}


def test_old_months_are_dropped_whole_and_the_rest_of_the_last_one_by_row(
    shop: tuple[Shopper, Item],
) -> None:
    shopper, item = shop
    others = [make_item(f"B{number}") for number in range(4)]
    # Of before the 15th of February 2025, which is 398 days before.
    for other, at in zip(others, (
        datetime(2024, 11, 30, 23, 59, tzinfo=UTC), datetime(2025, 1, 31, 23, 59, tzinfo=UTC),
        datetime(2025, 2, 14, tzinfo=UTC), datetime(2025, 2, 16, tzinfo=UTC),
    ), strict=True):  # fmt: skip
        buy(shopper, other, at)
    buy(shopper, item, datetime(2026, 3, 1, tzinfo=UTC))
    RetentionRule.objects.create(kind="events", days=398)
    assert len(signals(shopper)) == 5

    (run,) = [run for run in apply_retention(NOW) if run.kind == "events"]

    assert (run.rows, run.partitions) == (3, ["profiles_event_2024_11", "profiles_event_2025_01"])
    assert moments() == ["2025-02-16", "2026-03-01"]
    assert partitions()[:2] == ["profiles_event_2025_02", "profiles_event_2026_03"]
    assert signals(shopper) == {"purchase 2025-02-16", "purchase 2026-03-01"}
    assert Session.objects.count() == 2
    entry = AuditEntry.objects.latest("number")
    assert (entry.verb, entry.kind, entry.object_id) == (
        "deleted", "profiles.retentionrun", str(run.pk),
    )  # fmt: skip
    assert (entry.after["rows"], entry.after["partitions"]) == (3, run.partitions)

    (again,) = [run for run in apply_retention(NOW) if run.kind == "events"]
    assert (again.rows, again.partitions, again.failure) == (0, [], "")
    assert AuditEntry.objects.latest("number") == entry, "nothing was removed, so nothing is said"

    buy(shopper, others[0], datetime(2024, 11, 2, tzinfo=UTC))
    assert "profiles_event_2024_11" in partitions(), "a late event finds its month again"


def test_a_month_that_others_use_is_left_to_the_next_night(
    shop: tuple[Shopper, Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    shopper, item = shop
    buy(shopper, item, datetime(2020, 5, 5, tzinfo=UTC))
    monkeypatch.setattr(old_events, "PATIENCE", "50ms")
    reading, tried = threading.Event(), threading.Event()

    def reads() -> None:
        with transaction.atomic():
            assert Event.stored.count() == 1
            reading.set()
            assert tried.wait(30)

    def removes() -> None:
        assert reading.wait(30)
        (run, *_) = apply_retention(NOW)
        tried.set()
        assert "profiles_event_2020_05" in run.failure

    at_once(reads, removes)
    assert moments() == ["2020-05-05"]
    (run, *_) = apply_retention(NOW)
    assert (run.rows, run.failure, moments()) == (1, "", [])


def test_kinds_of_signal_are_kept_as_long_as_their_policy_says(
    shop: tuple[Shopper, Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    shopper, item = shop
    monkeypatch.setattr(old_events, "BATCH", 2)
    for days in (10, 40, 41, 42, 100):
        buy(shopper, item, NOW - timedelta(days=days), EventKind.VIEW)
    buy(shopper, item, NOW - timedelta(days=100))
    set_signal_policy("view", retention_days=30)
    set_signal_policy(SignalKind.PREFERENCE, retention_days=1)
    removed = remove_old_events(NOW - timedelta(days=1_000), NOW)
    assert (removed.rows, removed.by_policy, removed.partitions) == (4, {"view": 4}, ())
    assert sorted(Event.stored.values_list("kind", flat=True)) == ["purchase", "view"]
    assert signals(shopper) == {"view 2026-03-10", "purchase 2025-12-10"}


def test_decisions_searches_keys_and_uploads_go_by_their_own_days(tenant: Tenant) -> None:
    shopper, item = make_shopper(), make_item()
    for days in (89, 91):
        at = NOW - timedelta(days=days)
        decision = Decision.objects.create(
            placement="home", shopper=shopper, served_at=at, latency_ms=1
        )
        Impression.objects.create(decision=decision, item=item, position=0, score=1)
        Search.objects.create(searched_at=at, text="x", results=0, sort="relevance", latency_ms=1)
        EventKey.objects.create(key=f"log:{days}", received_at=NOW - timedelta(days=days * 12 + 5))
        upload = FeedImport.objects.create(
            content=FeedContent.REVIEWS, format="csv", file_name="f.csv", status="done"
        )
        upload.file.save("f.csv", ContentFile(b"x"))
        FeedImport.objects.filter(pk=upload.pk).update(finished_at=at)
        FeedRowError.objects.create(feed_import=upload, row=2, code="x", message="x")
    assert kept_days() == {"events": 1095, "uploads": 90, "decisions": 90, "searches": 90}
    nightly_rows = {run.kind: run.rows for run in apply_retention(NOW)}
    assert nightly_rows == {"events": 0, "uploads": 1, "decisions": 1, "searches": 1}
    assert (Decision.objects.count(), Impression.objects.count()) == (1, 1)
    assert (Search.objects.count(), FeedRowError.objects.count()) == (1, 1)
    assert sorted(bool(upload.file) for upload in FeedImport.objects.all()) == [False, True]
    assert not EventKey.objects.filter(key="log:91").exists(), "1,097 days old"

    RetentionRule.objects.create(kind="searches", days=10)
    assert kept_days()["searches"] == 10
    apply_retention(NOW)
    assert not Search.objects.exists()


def test_one_kind_that_fails_hinders_no_other(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    Search.objects.create(
        searched_at=NOW - timedelta(days=91), text="x", results=0, sort="relevance", latency_ms=1
    )

    def fails() -> list[str]:
        raise OperationalError("the server has gone\nDETAIL: away")

    monkeypatch.setattr(old_events, "partitions", fails)
    runs = {run.kind: run for run in apply_retention(NOW)}
    assert runs["events"].failure == "the server has gone"
    assert runs["searches"].rows == 1


def test_an_officer_sees_what_is_in_force_changes_it_and_reads_what_was_removed(
    tenant: Tenant,
) -> None:
    officer = sign_in(tenant, "officer")
    page = text_of(officer.get(page_of(RetentionRule, "changelist")))
    assert all(kept.holds in page for kept in all_kept())
    assert "1095 days" in page
    form = {"kind": "searches", "days": "30", "note": "We need no more."}
    assert officer.post(page_of(RetentionRule, "add"), form).status_code == 302
    entry = AuditEntry.objects.latest("number")
    assert (entry.verb, entry.after["days"]) == ("added", 30)
    for wrong in ({"days": "0"}, {"days": "40000"}, {"kind": "audit"}, {"kind": "searches"}):
        answer = officer.post(page_of(RetentionRule, "add"), {**form, **wrong})
        assert answer.status_code == 200, wrong
    assert RetentionRule.objects.count() == 1
    rule = RetentionRule.objects.get()
    officer.post(page_of(rule), {"kind": "events", "days": "20", "note": ""})
    rule.refresh_from_db()
    assert (rule.kind, rule.days) == ("searches", 20)

    Search.objects.create(
        searched_at=NOW - timedelta(days=91), text="x", results=0, sort="relevance", latency_ms=1
    )
    nightly(tenant.schema_name)
    page = text_of(officer.get(page_of(RetentionRun, "changelist")))
    assert "searches" in page
    assert "1 rows" in text_of(officer.get(page_of(RetentionRule, "changelist")))
    assert officer.post(page_of(RetentionRun.objects.all()[0]), {"rows": "0"}).status_code == 403


def test_what_is_held_of_a_shopper_under_a_restriction_stays_until_it_is_lifted(
    shop: tuple[Shopper, Item],
) -> None:
    ann, item = shop
    bob = make_shopper("bob")
    old = datetime(2024, 11, 30, tzinfo=UTC)
    for shopper in (ann, bob):
        make_event(shopper, item, EventKind.PURCHASE, at=old, session="visit")
        make_event(shopper, item, at=NOW - timedelta(days=40))
        Decision.objects.create(placement="home", shopper=shopper, served_at=old, latency_ms=1)
        Search.objects.create(
            shopper=shopper, searched_at=old, text="x", results=0, sort="relevance", latency_ms=1
        )
    Search.objects.create(searched_at=old, text="x", results=0, sort="relevance", latency_ms=1)
    RetentionRule.objects.create(kind="events", days=398)
    set_signal_policy("view", retention_days=30)
    restrict(ann, source="tests")

    removed = {run.kind: (run.rows, run.partitions) for run in apply_retention(NOW)}

    assert removed["events"] == (2, [])
    assert (removed["decisions"][0], removed["searches"][0]) == (1, 2)
    for rows in (Event.stored, Session.objects, Decision.objects, Search.objects):
        assert set(rows.values_list("shopper", flat=True)) == {ann.pk}
    assert Event.stored.count() == 2

    lift_restriction(ann)
    removed = {run.kind: (run.rows, run.partitions) for run in apply_retention(NOW)}
    assert removed["events"] == (2, ["profiles_event_2024_11"])
    assert (removed["decisions"][0], removed["searches"][0]) == (1, 1)
    assert not Event.stored.exists()


def test_a_file_that_cannot_be_deleted_hinders_no_other_kind(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = FeedImport.objects.create(
        content=FeedContent.REVIEWS, format="csv", file_name="f.csv", status="done"
    )
    upload.file.save("f.csv", ContentFile(b"x"))
    FeedImport.objects.update(finished_at=NOW - timedelta(days=91))

    def refuses(_: object, name: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("django.core.files.storage.FileSystemStorage.delete", refuses)
    Search.objects.create(
        searched_at=NOW - timedelta(days=91), text="x", results=0, sort="relevance", latency_ms=1
    )
    runs = {run.kind: run for run in apply_retention(NOW)}
    assert "Permission denied" in runs["uploads"].failure
    assert runs["searches"].rows == 1
