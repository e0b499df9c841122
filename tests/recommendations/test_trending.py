"""Trending now: what more shoppers ask for in these hours than its popularity explains."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Item
from profiles.activity import Takers
from profiles.models import EventKind
from recommendations.models import ItemFacts
from recommendations.tasks import refresh_popularity, refresh_trending
from recommendations.trending import MOST_KEPT, trend_now
from tests.conftest import ApiClient
from tests.make import make_event, make_item, make_shopper

NOW = timezone.now()


def refresh(api: ApiClient) -> dict[str, float]:
    """External id to trend of what is trending after the task has run."""
    refresh_trending(api.tenant.schema_name)
    facts = ItemFacts.objects.filter(trend_now__gt=0).select_related("item")
    return {fact.item.external_id: fact.trend_now for fact in facts}


def taken(item: Item, *, shoppers: int, hours: float, kind: EventKind = EventKind.VIEW) -> None:
    for _ in range(shoppers):
        make_event(make_shopper(), item, kind, at=timezone.now() - timedelta(hours=hours))


def test_what_stands_out_in_these_hours_is_shown_as_trending_now(api: ApiClient) -> None:
    steady, rising, *_ = (make_item(name) for name in ("steady", "rising", "other", "more"))
    for hours in range(0, 400, 8):
        taken(steady, shoppers=1, hours=hours)
    taken(rising, shoppers=4, hours=300)
    refresh_popularity(api.tenant.schema_name)
    assert refresh(api) == {}, "it sells as it always does"

    taken(rising, shoppers=6, hours=1)
    assert refresh(api) == {"rising": pytest.approx(1.0)}
    body = api.get("/api/v1/recommendations", placement="home").json()
    reasons = {item["item"]: item["reason"] for item in body["items"]}
    assert reasons["rising"]["text"] == "Trending now"
    why = api.get(f"/api/v1/recommendations/{body['decision']}/why").json()
    [entry] = [entry for entry in why["items"] if entry["item"] == "rising"]
    assert sum(part["amount"] for part in entry["ledger"]) == pytest.approx(entry["score"])


def test_a_trend_fades_and_is_forgotten(api: ApiClient) -> None:
    early, late = make_item("early"), make_item("late")
    taken(early, shoppers=5, hours=9)
    taken(late, shoppers=5, hours=1)
    found = refresh(api)
    assert found["late"] == pytest.approx(1.0)
    assert found["early"] == pytest.approx(2 ** (-8 / 4), rel=1e-2), "two half-lives older"
    assert refresh(api) == pytest.approx(found, rel=1e-2), "a second run changes nothing"

    from profiles.models import Event  # noqa: PLC0415  # moved by hand, here only

    Event.stored.filter(item=late).update(occurred_at=timezone.now() - timedelta(hours=25))
    assert refresh(api) == {"early": pytest.approx(1.0)}


def test_one_shopper_makes_no_trend_and_those_without_consent_none_either(api: ApiClient) -> None:
    eager, silent = make_item("eager"), make_item("silent")
    fan = make_shopper()
    for _ in range(50):
        make_event(fan, eager)
    for _ in range(10):
        make_event(make_shopper(granted=False), silent)
    assert refresh(api) == {}


def test_a_purchase_counts_more_than_a_view(api: ApiClient) -> None:
    seen, bought = make_item("seen"), make_item("bought")
    taken(seen, shoppers=4, hours=1)
    taken(bought, shoppers=4, hours=1, kind=EventKind.PURCHASE)
    found = refresh(api)
    assert found["bought"] == pytest.approx(1.0)
    assert 0 < found["seen"] < 0.5


def test_a_busy_evening_is_no_trend() -> None:
    busy = [Takers(item, 100.0 * popularity, 50) for item, popularity in ((1, 1.0), (2, 0.5))]
    usual = {1: 1.0, 2: 0.5}
    assert trend_now(busy, usual, all_popularity=1.5) == {}
    grown = [busy[0], Takers(2, 300.0, 60)]
    assert trend_now(grown, usual, all_popularity=1.5) == {2: 1.0}
    assert trend_now([], {}, all_popularity=0.0) == {}


def test_the_list_is_bounded_and_so_are_the_statements(api: ApiClient) -> None:
    many = [Takers(item, float(item), 5) for item in range(1, MOST_KEPT + 100)]
    found = trend_now(many, {}, all_popularity=0.0)
    assert len(found) == MOST_KEPT
    assert min(found) == 100, "the strongest remain"

    counts = []
    for items in (2, 12):
        for number in range(items):
            taken(make_item(f"{items}-{number}"), shoppers=3, hours=1)
        with CaptureQueriesContext(connection) as queries:
            refresh(api)
        counts.append(len(queries))
    assert counts[0] == counts[1], "the events, the popularity, forgetting and keeping"
