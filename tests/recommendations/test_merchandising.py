"""What the merchant wishes, in slates as a storefront gets them."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.models import Item, Offer
from catalog.quality.models import ItemQuality
from profiles.identity import ShopperRef
from profiles.models import EventKind, Shopper
from recommendations.context import build_request
from recommendations.feedback import record_served, write_decisions
from recommendations.models import (
    Decision,
    Impression,
    MerchandisingRule,
    Placement,
    Segment,
)
from recommendations.pipeline import last_resort
from recommendations.placements import ensure_default_placements
from recommendations.recommend import ledgers_of, recommend
from recommendations.rule_reach import measure
from recommendations.rule_reading import rule_of
from recommendations.rules import Circumstances
from recommendations.values import Slate
from tenants.models import Tenant
from tests.conftest import ApiClient
from tests.make import make_event, make_item, make_shopper
from tests.shop import planted_shop


def make_rule(kind: str, **fields: Any) -> MerchandisingRule:
    given = {"name": f"{kind} rule", "status": "live", **fields}
    return MerchandisingRule.objects.create(kind=kind, **given)


def guard(code: str = "home", **fields: Any) -> None:
    ensure_default_placements()
    Placement.objects.filter(code=code).update(**fields)


def slate_of(shopper: Shopper | None = None, placement: str = "home", **fields: Any) -> Slate:
    ref = ShopperRef(known=shopper.external_id) if shopper else None
    return recommend(build_request(placement, shopper=ref, **{"limit": 12, **fields}))


def titles(slate: Slate) -> list[str]:
    return [item.title for item in slate.items]


def test_what_is_excluded_is_never_served_whatever_else_is_wished(tenant: Tenant) -> None:
    shop = planted_shop()
    shopper = make_shopper()
    make_event(shopper, shop.camping[0], EventKind.PURCHASE)
    items = [*shop.camping, *shop.kitchen]
    targets = st.sampled_from(
        [
            {"category": "Camping"},
            {"category": "Kitchen"},
            {"price_to": Decimal(10)},
            {"attribute": "color", "attribute_values": ["red"]},
            *({"item": item} for item in items),
        ]
    )
    for number, item in enumerate(items):
        item.attributes = {"color": "red" if number % 3 else "blue"}
        item.save()
        Offer.objects.filter(item=item).update(price=5 + number)

    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(targets, max_size=3), targets, st.sampled_from(items), st.integers(1, 12))
    def check(
        excluded: list[dict[str, Any]], boosted: dict[str, Any], pinned: Item, position: int
    ) -> None:
        MerchandisingRule.objects.all().delete()
        for fields in excluded:
            make_rule("exclude", **fields)
        make_rule("boost", amount=10, **boosted)
        make_rule("pin", item=pinned, position=position)
        slate = slate_of(shopper)
        names = [rule.name for item in slate.items for rule in _rules_of(item)]
        assert "exclude rule" not in names
        shown = [item.item_id for item in slate.items]
        if pinned.pk in shown:
            assert shown.index(pinned.pk) == min(position, len(shown)) - 1

    check()


def _rules_of(item: Any) -> list[Any]:
    return [line.signal for line in item.ledger if line.generator == "rule"]


def test_a_pinned_item_that_cannot_be_had_is_not_shown(tenant: Tenant) -> None:
    shop = planted_shop()
    make_rule("pin", item=shop.kitchen[4], position=1)
    assert titles(slate_of())[0] == "Whisk"
    Offer.objects.filter(item=shop.kitchen[4]).update(stock=0)
    assert "Whisk" not in titles(slate_of())


def test_what_sells_most_of_a_boosted_set_is_proposed_to_those_who_never_came_across_it(
    tenant: Tenant,
) -> None:
    shop = planted_shop()
    wanted = make_item(title="Garden chair", category_path=("Garden", "Chairs"))
    for number in range(60):
        make_item(title=f"Newer {number}")
    camper = make_shopper()
    make_event(camper, shop.camping[0], EventKind.PURCHASE)
    rule = make_rule("promotion", label="Garden weeks", category="Garden", amount=5)
    measure(rule)
    item = slate_of(camper, limit=3).items[0]
    assert item.item_id == wanted.pk
    assert item.promotion == "Garden weeks"
    assert item.reason is not None
    assert item.reason.text == "Promoted by the shop: Garden weeks"
    assert item.reason.kind == "rule"


@pytest.mark.parametrize("amount", [0.001, 5.0])
def test_a_rule_changes_no_signal_and_what_is_said_of_a_boosted_item_is_true(
    tenant: Tenant, amount: float
) -> None:
    shop = planted_shop()
    shopper = make_shopper()
    make_event(shopper, shop.camping[0], EventKind.PURCHASE)
    now = timezone.now()
    ref = ShopperRef(known=shopper.external_id)
    plain = ledgers_of(build_request("home", shopper=ref, now=now), [i.pk for i in shop.camping])
    make_rule("boost", category="Camping", amount=amount)
    slate = recommend(build_request("home", shopper=ref, now=now, limit=12))
    for item in slate.items:
        if item.item_id not in plain:
            continue
        signals = [line for line in item.ledger if line.generator != "rule"]
        assert signals == list(plain[item.item_id])
        assert item.score == pytest.approx(plain[item.item_id].score + amount)
        assert item.reason is not None
        cited = item.ledger[item.reason.cited[0]]
        assert cited == item.ledger[0], "the strongest contribution is what is said"
        assert (item.reason.kind == "rule") == (cited.generator == "rule")
    said = {item.reason.text for item in slate.items if item.reason}
    assert ("Promoted by the shop" in said) == (amount > 1)
    assert ("Because you bought Tent" in said) == (amount < 1)


def test_a_rule_for_a_segment_holds_for_those_in_it_who_let_themselves_be_known(
    tenant: Tenant,
) -> None:
    shop = planted_shop()
    buyers = Segment.objects.create(name="Campers", bought_category="Camping")
    make_rule("exclude", category="Kitchen", segment=buyers)
    camper, cook, private = make_shopper(), make_shopper(), make_shopper(granted=False)
    make_event(camper, shop.camping[0], EventKind.PURCHASE)
    make_event(cook, shop.kitchen[0], EventKind.PURCHASE)
    make_event(private, shop.camping[0], EventKind.PURCHASE)
    kitchen = {item.title for item in shop.kitchen}
    assert not kitchen & set(titles(slate_of(camper)))
    for other in (cook, private, None):
        assert kitchen & set(titles(slate_of(other)))


def test_a_rule_for_a_search_a_device_or_a_country_holds_there_alone(tenant: Tenant) -> None:
    shop = planted_shop()
    make_rule("exclude", item=shop.camping[0], query="stove")
    make_rule("exclude", item=shop.camping[1], device="mobile", countries=["DE"])
    assert {"Tent", "Sleeping bag"} <= set(titles(slate_of()))
    assert "Tent" not in titles(slate_of(around=Circumstances(query="Gas STOVE")))
    on_the_way = titles(slate_of(around=Circumstances(device="mobile", country="de")))
    assert "Sleeping bag" not in on_the_way
    assert "Sleeping bag" in titles(slate_of(around=Circumstances(device="mobile")))


def test_a_stated_budget_is_a_ceiling_or_a_handicap_as_the_placement_says(tenant: Tenant) -> None:
    shop = planted_shop()
    Offer.objects.filter(item__in=shop.camping).update(price=100)
    shopper = make_shopper()
    Shopper.objects.filter(pk=shopper.pk).update(preferences={"max_price": "50 EUR"})
    camping = {item.title for item in shop.camping}
    assert not camping & set(titles(slate_of(shopper))), "also of one without a history"
    guard(over_budget="lower")
    lowered = next(item for item in slate_of(shopper).items if item.title in camping)
    assert [signal.name for signal in _rules_of(lowered)] == ["Above the stated budget"]
    guard(over_budget="ignore")
    assert not any(_rules_of(item) for item in slate_of(shopper).items)
    Shopper.objects.filter(pk=shopper.pk).update(preferences={"max_price": "50 GBP"})
    guard(over_budget="hide")
    assert camping & set(titles(slate_of(shopper))), "amounts in other currencies say nothing"


def test_what_earns_too_little_or_is_described_too_poorly_is_never_shown_also_if_pinned(
    tenant: Tenant,
) -> None:
    shop = planted_shop()
    cheap, poor = shop.camping[0], shop.camping[1]
    Offer.objects.filter(item=cheap).update(price=10, cost=Decimal("9.50"))
    Offer.objects.filter(item=shop.camping[2]).update(price=10, cost=5)
    ItemQuality.objects.create(item=poor, score=30, checked_at=timezone.now())
    make_rule("pin", item=cheap, position=1)
    make_rule("pin", item=poor, position=2)
    assert titles(slate_of())[:2] == ["Tent", "Sleeping bag"]
    guard(minimum_margin=10, minimum_quality=40)
    shown = titles(slate_of())
    assert not {"Tent", "Sleeping bag"} & set(shown)
    assert {"Camping stove", "Headlamp"} <= set(shown), "one earns enough, of one nothing is known"


def test_what_was_shown_too_often_pauses_until_the_days_are_over_or_the_shopper_reacts(
    tenant: Tenant,
) -> None:
    shop = planted_shop()
    guard(cap_impressions=3, cap_days=7, diversity=0)
    make_rule("pin", item=shop.kitchen[5], position=1)
    shopper = make_shopper()
    long_ago = timezone.now() - timedelta(days=20)
    make_event(shopper, shop.camping[0], EventKind.VIEW, at=long_ago)

    def serve() -> list[str]:
        slate = slate_of(shopper, limit=3)
        record_served(slate)
        write_decisions()
        return titles(slate)

    first = [serve() for _ in range(3)]
    assert first[0] == first[1] == first[2]
    fourth = serve()
    assert fourth[0] == "Colander", "what is pinned goes on"
    assert not set(first[0][1:]) & set(fourth)
    make_event(shopper, Item.objects.get(title=first[0][2]), EventKind.CLICK)
    assert first[0][2] in titles(slate_of(shopper))
    later = slate_of(shopper, now=timezone.now() + timedelta(days=8))
    assert set(first[0]) <= set(titles(later))
    assert set(first[0]) <= set(titles(slate_of(make_shopper()))), "others are not concerned"


def test_impressions_of_a_decision_are_counted_once_however_often_it_is_written(
    tenant: Tenant,
) -> None:
    shop = planted_shop()
    guard(cap_impressions=2)
    shopper = make_shopper()
    make_event(shopper, shop.camping[0], EventKind.VIEW)
    slate = slate_of(shopper, limit=2)
    for _ in range(3):
        record_served(slate)
        write_decisions()
    assert titles(slate_of(shopper, limit=2)) == titles(slate)


def test_caps_and_discovery_shape_a_slate_and_the_decision_says_what_was_explored(
    tenant: Tenant,
) -> None:
    shop = planted_shop()
    camper = make_shopper()
    make_event(camper, shop.camping[0], EventKind.VIEW)
    guard(diversity=0)
    before = slate_of(camper, limit=4)
    assert {item.category_path for item in before.items} == {("Camping",)}
    guard(discovery_share=0.5)
    slate = slate_of(camper, limit=4)
    assert sum(item.category_path == ("Kitchen",) for item in slate.items) == 2
    assert titles(slate) == titles(slate_of(camper, limit=4)), "the same all day"
    [explored] = slate.context["explored"]
    outside = [i.item_id for i in slate.items if i.category_path == ("Kitchen",)]
    assert sorted(explored["items"]) == sorted(outside)
    guard(discovery_share=0, max_per_category=1)
    assert len(titles(slate_of(camper))) == 2, "two categories, one item of each"


def test_new_items_get_their_share(tenant: Tenant) -> None:
    shop = planted_shop()
    Item.objects.update(created_at=timezone.now() - timedelta(days=90))
    fresh = [make_item(title=f"Fresh {n}") for n in range(4)]
    camper = make_shopper()
    make_event(camper, shop.camping[0], EventKind.VIEW)
    guard(new_share=0.5, new_for_days=7)
    slate = slate_of(camper, limit=4)
    assert len({item.item_id for item in slate.items} & {item.pk for item in fresh}) == 2


def test_a_slate_that_exclusions_left_short_is_filled_with_what_sells(tenant: Tenant) -> None:
    planted_shop()
    for number in range(120):
        make_item(title=f"Lamp {number}", brand="Acme")
    for number in range(5):
        make_item(title=f"Late {number}", brand="Zeta")
    make_rule("exclude", brand="Acme")
    with CaptureQueriesContext(connection) as queries:
        slate = slate_of(limit=12)
    assert len(slate.items) == 12
    assert not any(item.brand == "Acme" for item in slate.items)
    assert len(queries) <= 20


def test_what_is_excluded_stays_so_when_the_database_is_out(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = planted_shop()
    shown = slate_of()
    assert "Tent" in titles(shown)
    starts = timezone.now() + timedelta(hours=1)
    rule = rule_of(make_rule("exclude", category="Camping", starts_at=starts))
    request = build_request("home", limit=12)
    assert {rule.id for rule in request.placement.rules} == {rule.id}
    assert last_resort.last_items(request)
    later = build_request("home", limit=12, now=starts + timedelta(minutes=1))
    assert "Tent" not in [item.title for item in last_resort.last_items(later)]
    assert "Tent" not in [item.title for item in last_resort.static_items(later)]
    assert shop.kitchen[0].title in [item.title for item in last_resort.last_items(later)]


def test_trying_rules_out_changes_nothing_and_says_what_moves_and_why(
    api: ApiClient,
) -> None:
    shop = planted_shop()
    shopper = make_shopper()
    make_event(shopper, shop.camping[0], EventKind.PURCHASE)
    gone = make_rule("pin", name="Whisk first", item=shop.kitchen[4], position=1)
    draft = make_rule("exclude", name="No bags", status="draft", item=shop.camping[1])
    lift = make_rule("boost", name="Knives", status="draft", item=shop.kitchen[1], amount=0.1)
    query = {"placement": "home", "shopper": shopper.external_id, "limit": 4}
    body = api.post(
        "/api/v1/rules/simulate",
        {**query, "adding": [draft.pk, lift.pk], "without": [gone.pk],
         "edits": [{"rule": lift.pk, "amount": 9}]},
    ).json()  # fmt: skip
    live = [item["title"] for item in body["live"]]
    trial = [item["title"] for item in body["trial"]]
    assert (live[0], trial[0]) == ("Whisk", "Chef's knife")
    assert body["trial"][0]["rules"] == ["Knives"]
    why = {move["title"]: (move["live"], move["trial"], move["why"]) for move in body["moves"]}
    assert why["Whisk"][0] == 1
    assert why["Whisk"][2] == "no longer pinned to position 1 by “Whisk first”"
    assert why["Sleeping bag"][1:] == (None, "excluded by “No bags”")
    assert why["Chef's knife"][1:] == (1, "+9 by “Knives”")
    assert body["absent"] == []
    pin = make_rule("pin", name="Bag", status="draft", item=shop.camping[1], position=2)
    again = {**query, "adding": [draft.pk, pin.pk]}
    body = api.post("/api/v1/rules/simulate", again).json()
    assert body["absent"] == ["“Bag” is not shown: excluded by “No bags”."]
    assert write_decisions() == 0
    assert not Decision.objects.exists()
    assert not Impression.objects.exists()
    now = api.get("/api/v1/recommendations", **query).json()
    assert [item["title"] for item in now["items"]] == live


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"placement": "nowhere"}, 400, "unknown_placement"),
        ({"placement": "home", "edits": [{"rule": 1, "amount": 11}]}, 400, "invalid_input"),
        ({"placement": "home", "adding": ["x"]}, 400, "invalid_input"),
        ({"placement": "home", "at": "2026-01-01"}, 400, "invalid_input"),
        ({"placement": "home", "country": "Germany"}, 400, "invalid_input"),
    ],
)
def test_a_trial_that_cannot_be_made_is_refused(
    api: ApiClient, body: dict[str, Any], status: int, code: str
) -> None:
    ensure_default_placements()
    answer = api.post("/api/v1/rules/simulate", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
