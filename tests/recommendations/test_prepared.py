"""A slate that was prepared is served again only while it is still what ranking would answer."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from profiles.consent import record_consent
from profiles.models import EventKind, Purpose, Shopper, ShopperState
from recommendations.feedback import write_decisions
from recommendations.models import (
    Decision,
    Impression,
    MerchandisingRule,
    Placement,
    PreparedSlate,
)
from recommendations.placements import ensure_default_placements
from tests.conftest import ApiClient
from tests.make import make_event, make_shopper
from tests.shop import Shop, planted_shop


@pytest.fixture
def shop(api: ApiClient) -> Shop:
    return planted_shop()


@pytest.fixture
def shopper(shop: Shop) -> Shopper:
    shopper = make_shopper("camper")
    make_event(shopper, shop.camping[0], EventKind.PURCHASE)
    return shopper


def get(api: ApiClient, **query: Any) -> dict[str, Any]:
    asked = {"placement": "home", "shopper": "camper", "limit": 4} | query
    answer = api.get("/api/v1/recommendations", **asked)
    assert answer.status_code == 200, answer.content
    body: dict[str, Any] = answer.json()
    return body


def prepared(api: ApiClient, **query: Any) -> dict[str, Any]:
    """A live answer that was written down, so that the next one may be prepared."""
    body = get(api, **query)
    write_decisions()
    return body


def was_prepared(body: dict[str, Any]) -> bool:
    write_decisions()
    return bool(Decision.objects.get(pk=body["decision"]).context.get("prepared"))


def without_decision(body: dict[str, Any]) -> str:
    return str(body).replace(body["decision"], "-")


def items(body: dict[str, Any]) -> list[str]:
    return [item["item"] for item in body["items"]]


def test_a_returning_shopper_gets_the_same_slate_by_one_query(
    api: ApiClient, shopper: Shopper
) -> None:
    first = prepared(api)
    with CaptureQueriesContext(connection) as queries:
        again = get(api)
    assert len([query for query in queries if "preparedslate" in query["sql"]]) == 1
    assert len(queries) <= 2, "besides the search path"
    assert again["decision"] != first["decision"]
    assert without_decision(again) == without_decision(first)
    assert was_prepared(again)


def test_a_prepared_slate_is_noted_and_explained_like_any_other(
    api: ApiClient, shopper: Shopper
) -> None:
    first, again = prepared(api), get(api)
    whys = [
        api.get(f"/api/v1/recommendations/{body['decision']}/why").json() for body in (first, again)
    ]
    assert whys[0]["items"] == whys[1]["items"]
    assert all(item["ledger"] for item in whys[1]["items"])
    assert Impression.objects.filter(decision=again["decision"]).count() == 4
    assert Decision.objects.get(pk=again["decision"]).shopper == shopper


def test_no_price_is_stale(api: ApiClient, shop: Shop, shopper: Shopper) -> None:
    first = prepared(api)
    offer = next(i for i in shop.camping if i.external_id == items(first)[0]).offer
    offer.price = Decimal("3.2100")
    offer.save()
    again = get(api)
    assert again["items"][items(again).index(items(first)[0])]["offer"]["price"] == "3.21"
    assert not was_prepared(again)
    offer.sale_price = Decimal("1.5000")
    offer.save()
    assert get(api)["items"][0]["offer"]["sale_price"] == "1.50"


def test_what_was_sold_out_or_delisted_is_not_shown(
    api: ApiClient, shop: Shop, shopper: Shopper
) -> None:
    first = prepared(api)
    sold = next(i for i in shop.camping if i.external_id == items(first)[0])
    type(sold.offer).objects.filter(pk=sold.pk).update(stock=0)
    again = get(api)
    assert sold.external_id not in items(again)
    write_decisions()
    delisted = next(i for i in shop.camping if i.external_id == items(again)[0])
    type(delisted).objects.filter(pk=delisted.pk).update(available=False)
    assert delisted.external_id not in items(get(api))


def test_a_withdrawal_holds_from_the_next_request_on(api: ApiClient, shopper: Shopper) -> None:
    prepared(api)
    record_consent(shopper, Purpose.PERSONALIZATION, granted=False, source="test")
    again = get(api)
    assert again["personalized"] is False
    record_consent(shopper, Purpose.PERSONALIZATION, granted=True, source="test")
    assert not was_prepared(get(api)), "the state was built anew"


def test_a_new_event_changes_the_next_slate(api: ApiClient, shop: Shop, shopper: Shopper) -> None:
    first = prepared(api)
    answer = api.post(
        "/api/v1/events",
        {"events": [{"kind": "dismiss", "shopper": "camper", "item": items(first)[0]}]},
    )
    assert answer.json()["stored"] == 1
    assert items(first)[0] not in items(get(api))


def test_a_rule_holds_from_the_next_request_on(
    api: ApiClient, shop: Shop, shopper: Shopper
) -> None:
    first = prepared(api)
    MerchandisingRule.objects.create(
        name="Not this", kind="exclude", status="live", item=next(
            i for i in shop.camping if i.external_id == items(first)[0]
        )
    )  # fmt: skip
    assert items(first)[0] not in items(get(api))


def test_a_rule_that_begins_or_ends_needs_no_change_to_hold(
    api: ApiClient, shop: Shop, shopper: Shopper
) -> None:
    now = timezone.now()
    MerchandisingRule.objects.create(
        name="Soon",
        kind="exclude",
        status="live",
        category="Camping",
        ends_at=now + timedelta(hours=1),
    )
    first = prepared(api)
    MerchandisingRule.objects.filter(name="Soon").update(ends_at=now - timedelta(hours=1))
    assert items(get(api)) != items(first)


def test_the_limit_is_part_of_the_page(api: ApiClient, shopper: Shopper) -> None:
    prepared(api)
    assert len(get(api, limit=2)["items"]) == 2


def test_a_slate_is_good_for_some_minutes_only(api: ApiClient, shopper: Shopper) -> None:
    prepared(api)
    PreparedSlate.objects.update(good_until=timezone.now() - timedelta(seconds=1))
    again = get(api)
    assert not was_prepared(again)
    assert PreparedSlate.objects.count() == 1, "outdated ones were forgotten"


def test_an_erased_shopper_leaves_no_prepared_slate(api: ApiClient, shopper: Shopper) -> None:
    prepared(api)
    assert PreparedSlate.objects.count() == 1
    shopper.delete()
    assert PreparedSlate.objects.count() == 0
    assert get(api)["personalized"] is False


def test_nothing_is_prepared_where_every_impression_counts(
    api: ApiClient, shopper: Shopper
) -> None:
    ensure_default_placements()
    Placement.objects.filter(code="home").update(cap_impressions=3, cap_days=7)
    prepared(api)
    assert not was_prepared(get(api))


def test_nobody_gets_what_was_prepared_for_another(
    api: ApiClient, shop: Shop, shopper: Shopper
) -> None:
    cook = make_shopper("cook")
    make_event(cook, shop.kitchen[0], EventKind.PURCHASE)
    prepared(api)
    prepared(api, shopper="cook")
    camping, kitchen = get(api), get(api, shopper="cook")
    assert set(items(camping)).isdisjoint(items(kitchen)) or items(camping) != items(kitchen)
    assert was_prepared(camping)
    assert was_prepared(kitchen)


def test_a_fault_in_reading_is_logged_and_costs_no_answer(
    api: ApiClient, shopper: Shopper, caplog: pytest.LogCaptureFixture
) -> None:
    ShopperState.stored.filter(shopper=shopper).update(history=[["not", "a signal"]])
    assert get(api)["items"]
    assert "A prepared slate could not be read" in caplog.text


def test_a_statement_that_is_broken_is_logged_like_any_fault(
    api: ApiClient,
    shopper: Shopper,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("recommendations.prepared.READ", "SELECT %(nothing)s")
    answer = get(api)
    assert answer["items"]
    assert not was_prepared(answer)
    assert "A prepared slate could not be read" in caplog.text
