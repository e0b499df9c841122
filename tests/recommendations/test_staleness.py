"""How old is what slates are made from: measured, told to Prometheus, and shown to staff."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from django_tenants.utils import schema_context

from catalog.models import Item
from catalog.tasks import embed_changed_items
from config.metrics import GAUGES
from recommendations.dashboard import duration, tiles
from recommendations.models import RankerVersion
from recommendations.nightly import NIGHT_MINUTES, train_if_due, turn_of
from recommendations.tasks import (
    measure_staleness,
    refresh_popularity,
    refresh_trending,
    train_ranker,
)
from tests.conftest import ApiClient, TenantPair
from tests.make import make_event, make_item, make_shopper
from tests.threads import at_once

OURS = "ours"


def metrics() -> dict[str, float]:
    """The gauges of our tenant, and nothing but them, by name."""
    with schema_context("public"):
        answer = Client(headers={"Host": "localhost"}).get("/metrics")
    assert answer.status_code == 200
    return {
        name: float(value)
        for name, value in re.findall(
            rf'^(\w+){{tenant="{OURS}"}} (\S+)$', answer.content.decode(), re.MULTILINE
        )
    }


def test_staleness_is_measured_and_told_to_prometheus(api: ApiClient) -> None:
    items = [make_item() for _ in range(3)]
    make_event(make_shopper(), items[0])
    Item.objects.filter(pk=items[0].pk).update(updated_at=timezone.now() - timedelta(seconds=90))
    assert metrics() == {}, "nothing was measured yet"

    measure_staleness(OURS)
    told = metrics()
    assert told["attune_items"] == told["attune_embeddings_waiting"] == 3
    assert 90 <= told["attune_embeddings_waiting_seconds"] < 150
    assert not {"attune_ranker_age_seconds", "attune_trending_age_seconds"} & told.keys()

    embed_changed_items(OURS)
    refresh_popularity(OURS)
    refresh_trending(OURS)
    RankerVersion.objects.create(status="live", trained_at=timezone.now() - timedelta(hours=5))
    measure_staleness(OURS)
    told = metrics()
    assert told.keys() == GAUGES.keys()
    assert told["attune_embeddings_waiting"] == told["attune_embeddings_waiting_seconds"] == 0
    assert 5 * 3_600 <= told["attune_ranker_age_seconds"] < 5 * 3_600 + 60
    assert told["attune_facts_age_seconds"] < 60
    assert told["attune_trending_age_seconds"] < 60


def test_a_tenants_own_host_tells_no_metrics(api: ApiClient) -> None:
    measure_staleness(OURS)
    assert "attune_items" in metrics()
    assert api.get("/metrics").status_code == 404


def test_every_gauge_is_documented() -> None:
    text = (Path(__file__).parents[2] / "config" / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(attune_\w+)`", text)) == set(GAUGES)


def test_staff_see_how_fresh_their_shop_is(api: ApiClient) -> None:
    def tile() -> tuple[str, str, bool]:
        from django.core.cache import cache  # noqa: PLC0415  # the tiles are cached for a minute

        cache.delete("admin:tiles")
        [found] = [tile for tile in tiles() if tile.title == "Embeddings waiting"]
        return found.value, found.note, found.bad

    assert tile()[0] == "not measured yet"
    item = make_item()
    make_item()
    embed_changed_items(OURS)
    Item.objects.filter(pk=item.pk).update(
        title="Another", updated_at=timezone.now() + timedelta(milliseconds=1)
    )
    measure_staleness(OURS)
    value, note, bad = tile()
    assert (value, bad) == ("1", False)
    Item.objects.filter(pk=item.pk).update(updated_at=timezone.now() - timedelta(hours=1))
    item.embedding.delete()
    measure_staleness(OURS)
    value, note, bad = tile()
    assert (value, bad) == ("1", True)
    assert note == "of 2 items; the oldest for 60 min"


@pytest.mark.parametrize(
    ("age", "told"),
    [
        (timedelta(seconds=40), "40 s"), (timedelta(minutes=5), "5 min"),
        (timedelta(hours=7), "7 h"), (timedelta(days=3), "3 days"), (timedelta(-1), "0 s"),
    ],
)  # fmt: skip
def test_a_duration_is_told_in_one_unit(age: timedelta, told: str) -> None:
    assert duration(age) == told


def test_tenants_take_turns_over_the_night_and_always_the_same() -> None:
    noon = datetime(2026, 5, 4, 12, tzinfo=UTC)
    turns = [turn_of(f"shop_{number}", noon) for number in range(1_000)]
    start = datetime(2026, 5, 4, 1, tzinfo=UTC)
    assert min(turns) >= start
    assert max(turns) < start + timedelta(minutes=NIGHT_MINUTES)
    by_hour = [sum(turn.hour == hour for turn in turns) for hour in range(1, 5)]
    assert min(by_hour) > 150, "spread, not heaped"
    again = turn_of("shop_7", noon + timedelta(days=1))
    assert again == turns[7] + timedelta(days=1)


def test_a_tenant_is_trained_once_a_night(api: ApiClient) -> None:
    items = [make_item() for _ in range(4)]
    for _ in range(3):
        shopper = make_shopper()
        for item in items:
            make_event(shopper, item, at=timezone.now() - timedelta(days=3))
    turn = turn_of(OURS, timezone.now())
    assert train_if_due(turn - timedelta(minutes=1)) is None, "not yet"
    assert train_if_due(turn + timedelta(minutes=1)) is not None
    assert train_if_due(turn + timedelta(minutes=11)) is None, "done for tonight"
    assert train_if_due(turn + timedelta(hours=23, minutes=59)) is None
    late = turn + timedelta(days=1, hours=2)
    assert train_if_due(late) is not None, "a missed turn is taken later"
    assert RankerVersion.objects.count() == 2
    train_ranker(OURS)
    assert RankerVersion.objects.count() == 2


def test_of_two_that_train_at_once_one_does(committed: TenantPair) -> None:
    items = [make_item() for _ in range(4)]
    for _ in range(3):
        shopper = make_shopper()
        for item in items:
            make_event(shopper, item, at=timezone.now() - timedelta(days=3))
    due = turn_of(committed.ours.schema_name, timezone.now()) + timedelta(minutes=1)
    trained = at_once(*[lambda: train_if_due(due)] * 3)
    assert sum(version is not None for version in trained) == 1
    assert RankerVersion.objects.count() == 1
