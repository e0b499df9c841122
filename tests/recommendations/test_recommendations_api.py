"""GET /api/v1/recommendations, as a storefront sees it."""

from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.tasks import embed_changed_items
from profiles.consent import record_consent
from profiles.identity import ShopperRef
from profiles.models import Event, EventKind, Purpose, Shopper
from profiles.policy import set_signal_policy
from profiles.signals import SignalKind
from profiles.state import rebuild_states
from recommendations.context import build_request
from recommendations.models import MerchandisingRule
from recommendations.recommend import ledgers_of, recommend
from tenants.models import Tenant
from tenants.tasks import current_schema
from tests.conftest import ApiClient
from tests.make import make_event, make_item, make_shopper
from tests.shop import planted_shop


def slate(api: ApiClient, placement: str = "home", **query: Any) -> dict[str, Any]:
    response = api.get("/api/v1/recommendations", placement=placement, **query)
    assert response.status_code == 200, response.content
    body: dict[str, Any] = response.json()
    assert body["fallbacks"] == []
    return body


def titles(body: dict[str, Any]) -> list[str]:
    return [item["title"] for item in body["items"]]


def reason_of(api: ApiClient, shopper: Shopper, title: str) -> str | None:
    for item in slate(api, shopper=shopper.external_id, limit=20)["items"]:
        if item["title"] == title:
            text: str | None = item["reason"] and item["reason"]["text"]
            return text
    raise AssertionError(f"{title} was not shown.")


def test_a_shopper_gets_what_goes_with_the_history_and_the_reason_says_so(api: ApiClient) -> None:
    shop = planted_shop()
    shopper = make_shopper("camper")
    make_event(shopper, shop.camping[0], EventKind.PURCHASE)

    body = slate(api, shopper="camper", limit=3)
    assert body["personalized"] is True
    assert titles(body)[0] == "Sleeping bag"
    assert body["items"][0]["reason"]["text"] == "Because you bought Tent"
    assert body["items"][0]["reason"]["cited"][0]["item"] == "C0"


def test_an_anonymous_shopper_gets_popular_items_with_a_reason(api: ApiClient) -> None:
    planted_shop()
    body = slate(api, limit=5)
    assert body["personalized"] is False
    assert len(body["items"]) == 5
    assert {item["reason"]["kind"] for item in body["items"]} <= {"popular", "trending"}


def test_withdrawn_consent_leaves_history_unread(api: ApiClient) -> None:
    shop = planted_shop()
    shopper = make_shopper()
    make_event(shopper, shop.camping[0], EventKind.PURCHASE)

    assert reason_of(api, shopper, "Sleeping bag") == "Because you bought Tent"

    record_consent(shopper, Purpose.PERSONALIZATION, granted=False, source="tests")
    assert reason_of(api, shopper, "Sleeping bag") in {
        "Popular this month",
        "Trending this week",
        "Trending now",
    }

    record_consent(shopper, Purpose.PERSONALIZATION, granted=True, source="tests")
    assert reason_of(api, shopper, "Sleeping bag") == "Because you bought Tent"


def test_items_out_of_stock_are_never_recommended(api: ApiClient) -> None:
    shop = planted_shop()
    shopper = make_shopper()
    make_event(shopper, shop.camping[0], EventKind.PURCHASE)
    assert "Sleeping bag" in titles(slate(api, shopper=shopper.external_id, limit=20))

    bag = shop.camping[1]
    bag.offer.stock = 0
    bag.offer.save()
    assert "Sleeping bag" not in titles(slate(api, shopper=shopper.external_id, limit=20))


def test_the_query_count_does_not_grow_with_the_slate(api: ApiClient) -> None:
    shop = planted_shop()
    shopper = make_shopper()
    for item in shop.camping[:4]:
        make_event(shopper, item, EventKind.VIEW)
    for _ in range(2):  # the first makes the placements, the second settles what it reads
        slate(api, shopper=shopper.external_id)

    for limit in (1, 12):
        with CaptureQueriesContext(connection) as queries:
            slate(api, shopper=shopper.external_id, limit=limit)
        # Expect 4: search path; state with consent; names, neighbors and vectors; pool with offers.
        assert len(queries) <= 4, [query["sql"][:80] for query in queries]


def test_a_new_event_counts_in_the_very_next_request(api: ApiClient) -> None:
    shop = planted_shop()
    shopper = make_shopper("browser")
    assert slate(api, shopper="browser")["personalized"] is False

    response = api.post(
        "/api/v1/events",
        {"events": [{"kind": "view", "shopper": "browser", "item": shop.kitchen[0].external_id}]},
    )
    assert response.json()["stored"] == 1
    body = slate(api, shopper="browser", limit=12)
    assert body["personalized"] is True
    knife = next(item for item in body["items"] if item["title"] == "Chef's knife")
    assert knife["reason"]["text"] == "Because you looked at Frying pan"
    assert shopper.external_id == "browser"


def test_the_item_placement_is_about_the_item_on_the_page(api: ApiClient) -> None:
    planted_shop()
    body = slate(api, "item", item="K3", limit=2)
    assert body["items"][0]["category_path"] == ["Kitchen"]
    assert body["items"][0]["reason"]["text"] == "Often chosen with Stockpot"


def test_the_cart_placement_goes_with_the_cart(api: ApiClient) -> None:
    shop = planted_shop()
    shopper = make_shopper()
    make_event(shopper, shop.camping[2], EventKind.ADD_TO_CART)
    body = slate(api, "cart", shopper=shopper.external_id, limit=2)
    assert "Camping stove" not in titles(body)
    assert body["items"][0]["reason"]["text"] == "Goes with Camping stove in your cart"
    given = slate(api, "cart", shopper=shopper.external_id, items="K0", limit=2)
    assert given["items"][0]["reason"]["text"] == "Goes with Frying pan in your cart"


def test_a_dismissed_item_does_not_come_back(api: ApiClient) -> None:
    shop = planted_shop()
    shopper = make_shopper()
    make_event(shopper, shop.camping[0], EventKind.PURCHASE)
    assert "Sleeping bag" in titles(slate(api, shopper=shopper.external_id, limit=20))
    make_event(shopper, shop.camping[1], EventKind.DISMISS)
    assert "Sleeping bag" not in titles(slate(api, shopper=shopper.external_id, limit=20))


def test_why_answers_the_full_ledger_of_what_was_served(api: ApiClient) -> None:
    shop = planted_shop()
    shopper = make_shopper()
    make_event(shopper, shop.camping[0], EventKind.PURCHASE)
    served = slate(api, shopper=shopper.external_id, limit=4)

    response = api.get(f"/api/v1/recommendations/{served['decision']}/why")
    assert response.status_code == 200
    why = response.json()
    assert [item["item"] for item in why["items"]] == [item["item"] for item in served["items"]]
    for item in why["items"]:
        assert item["score"] == pytest.approx(sum(entry["amount"] for entry in item["ledger"]))
    signal = why["items"][0]["ledger"][0]["signal"]
    assert (signal["kind"], signal["title"], signal["events"]) == ("purchase", "Tent", 1)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"placement": "nowhere"}, "unknown_placement"),
        ({}, "invalid_input"),
        ({"placement": "home", "limit": 0}, "invalid_input"),
        ({"placement": "home", "limit": 10_000}, "invalid_input"),
        ({"placement": "home", "limit": "many"}, "invalid_input"),
        ({"placement": "home", "shopper": "x" * 201}, "invalid_input"),
        ({"placement": "home", "shopper": "a\x00b"}, "invalid_input"),
        ({"placement": "home", "shoper": "s-1"}, "invalid_input"),
        ({"placement": "item"}, "item_missing"),
        ({"placement": "item", "item": "nothing"}, "unknown_item"),
    ],
)
def test_a_bad_query_gets_a_clear_refusal(api: ApiClient, query: dict[str, Any], code: str) -> None:
    make_item()
    response = api.get("/api/v1/recommendations", **query)
    assert response.status_code == 400
    assert response.json()["code"] == code


def test_a_shop_without_any_event_shows_its_newest_items(api: ApiClient) -> None:
    make_item(title="Older")
    make_item(title="Newer")
    assert set(titles(slate(api))) == {"Older", "Newer"}


def test_a_rule_shows_in_the_reason_as_what_it_is(api: ApiClient) -> None:
    shop = planted_shop()
    shopper = make_shopper()
    make_event(shopper, shop.camping[0], EventKind.PURCHASE)
    assert titles(slate(api, shopper=shopper.external_id))[0] == "Sleeping bag"

    pan, knife = shop.kitchen[:2]
    MerchandisingRule.objects.create(status="live", name="Pan week", kind="pin", item=pan)
    MerchandisingRule.objects.create(
        status="live", name="Knives up", kind="boost", item=knife, amount=5
    )
    MerchandisingRule.objects.create(
        status="live", name="No bags", kind="exclude", item=shop.camping[1]
    )
    body = slate(api, shopper=shopper.external_id, limit=12)
    assert titles(body)[:2] == ["Frying pan", "Chef's knife"]
    assert "Sleeping bag" not in titles(body)
    assert {item["reason"]["text"] for item in body["items"][:2]} == {"Promoted by the shop"}
    why = api.get(f"/api/v1/recommendations/{body['decision']}/why").json()
    knives = {e["signal"]["name"]: e["amount"] for e in why["items"][1]["ledger"]}
    assert knives["Knives up"] == 5


def test_a_signal_that_may_not_rank_changes_nothing_and_one_that_may_not_be_cited_is_not_named(
    api: ApiClient,
) -> None:
    shop = planted_shop()
    shopper = make_shopper()
    make_event(shopper, shop.camping[0], EventKind.PURCHASE)
    assert reason_of(api, shopper, "Sleeping bag") == "Because you bought Tent"

    set_signal_policy(SignalKind.PURCHASE, may_rank=True, may_cite=False)
    assert titles(slate(api, shopper=shopper.external_id))[0] == "Sleeping bag"
    assert "Tent" not in (reason_of(api, shopper, "Sleeping bag") or "")

    set_signal_policy(SignalKind.PURCHASE, may_rank=False, may_cite=True)
    why = api.get(
        f"/api/v1/recommendations/{slate(api, shopper=shopper.external_id)['decision']}/why"
    ).json()
    kinds = {e["signal"]["kind"] for item in why["items"] for e in item["ledger"]}
    assert "purchase" not in kinds


def test_removing_a_cited_signal_lowers_the_score_by_its_contribution(tenant: Tenant) -> None:
    shop = planted_shop()
    embed_changed_items(current_schema())
    shopper = make_shopper("remover")
    for item, kind in (
        (shop.camping[0], EventKind.PURCHASE),
        (shop.camping[3], EventKind.VIEW),
        (shop.kitchen[2], EventKind.VIEW),
    ):
        make_event(shopper, item, kind)
    ref = ShopperRef(known="remover")
    now = timezone.now()
    before = recommend(build_request("home", shopper=ref, limit=12, now=now))
    checked = 0
    for served in before.items:
        if served.reason is None or served.reason.kind not in EventKind.values:
            continue
        signal = served.ledger[served.reason.cited[0]].signal
        said = sum(c.amount for c in served.ledger if c.signal == signal)
        with transaction.atomic():
            events = Event.stored.filter(shopper=shopper, kind=signal.kind, item=signal.item_id)
            assert events.filter(pk=signal.event_id or 0).exists()
            events.delete()
            rebuild_states([shopper.pk])
            without = build_request("home", shopper=ref, limit=12, now=now)
            after = ledgers_of(without, [served.item_id])[served.item_id]
            transaction.set_rollback(True)
        assert said > 0
        assert served.score - after.score == pytest.approx(said, abs=1e-9)
        checked += 1
    assert checked >= 2
