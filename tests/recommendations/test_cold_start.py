"""Whoever is new: shoppers by what they say and first click, items by what they are like."""

from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.tasks import embed_changed_items
from profiles.consent import record_consent
from profiles.identity import ShopperRef
from profiles.models import EventKind, Purpose, Shopper
from profiles.policy import set_signal_policy
from profiles.signals import SignalKind
from recommendations.circumstances import refresh_circumstances, standing_out
from recommendations.context import build_request
from recommendations.recommend import affinity, ledgers_of, recommend
from recommendations.rules import Circumstances
from recommendations.scoring import Blend
from recommendations.training.recipe import Recipe
from recommendations.values import ServedItem, Slate
from tenants.tasks import current_schema
from tests.conftest import ApiClient
from tests.make import make_event, make_item, make_shopper
from tests.shop import planted_shop


def slate_of(shopper: str | None, placement: str = "home", **asked: Any) -> Slate:
    ref = None if shopper is None else ShopperRef(known=shopper)
    slate = recommend(build_request(placement, shopper=ref, **asked))
    assert slate.fallbacks == ()
    return slate


def titles(slate: Slate) -> list[str]:
    return [item.title for item in slate.items]


def prefer(api: ApiClient, shopper: str, **preferences: Any) -> None:
    response = api.put(f"/api/v1/shoppers/{shopper}", {"preferences": preferences})
    assert response.status_code == 200, response.content


@pytest.mark.parametrize(
    ("preference", "brand"), [({"brand": "Acme"}, "Acme"), ({"category": "Lamps"}, "Acme")]
)
def test_a_new_shopper_gets_what_was_stated_as_preferred_and_is_told_so(
    api: ApiClient, preference: dict[str, str], brand: str
) -> None:
    planted_shop()
    liked = make_item("LAMP", title="Reading lamp", brand="Acme", category_path=("Home", "Lamps"))
    make_shopper("newcomer")
    assert "Reading lamp" not in titles(slate_of("newcomer", limit=3))

    prefer(api, "newcomer", **preference)
    slate = slate_of("newcomer", limit=3)
    assert slate.personalized
    first = slate.items[0]
    assert (first.item_id, first.brand) == (liked.pk, brand)
    [(key, value)] = preference.items()
    assert first.reason is not None
    assert first.reason.text == f"You prefer {key} {value}"
    assert first.ledger[first.reason.cited[0]].signal.item_id is None


@pytest.mark.parametrize("sells", [0.0, 0.02, 0.3, 2.0])
def test_what_is_preferred_comes_before_what_sells_whatever_training_found_that_to_be_worth(
    api: ApiClient, sells: float
) -> None:
    shop = planted_shop()
    recipe, blend = Recipe.from_json(shop.ranker.params), Blend(popularity=sells, trend=sells)
    scoring = recipe.scoring.with_blend("discovery", blend).with_blend("home", blend)
    shop.ranker.params = replace(recipe, scoring=scoring).as_json()
    shop.ranker.save()
    make_item("LAMP", title="Reading lamp", brand="Acme")
    make_shopper("newcomer")
    prefer(api, "newcomer", brand="Acme")
    assert titles(slate_of("newcomer", limit=1)) == ["Reading lamp"]


def test_an_attribute_may_be_preferred_among_what_sells(api: ApiClient) -> None:
    shop = planted_shop()
    whisk = shop.kitchen[4]
    whisk.attributes = {"color": "Green"}
    whisk.save()
    make_shopper("newcomer")
    prefer(api, "newcomer", color="green", size=38, vegan=True, nothing=None)
    assert titles(slate_of("newcomer", limit=1)) == ["Whisk"]


def test_without_a_preference_the_score_falls_by_exactly_its_contribution(api: ApiClient) -> None:
    shop = planted_shop()
    shopper = make_shopper("newcomer")
    make_event(shopper, shop.camping[0], EventKind.VIEW)
    prefer(api, "newcomer", category="Kitchen")
    request = build_request("home", shopper=ShopperRef(known="newcomer"))
    before = ledgers_of(request, [item.pk for item in shop.kitchen])
    owed = {
        item: sum(c.amount for c in ledger if c.signal.kind == "preference")
        for item, ledger in before.items()
    }
    assert all(amount > 0 for amount in owed.values())

    prefer(api, "newcomer")
    without = build_request("home", shopper=ShopperRef(known="newcomer"), now=request.now)
    after = ledgers_of(without, list(before))
    for item, ledger in before.items():
        assert after[item].score == pytest.approx(ledger.score - owed[item], abs=1e-12)


def test_preferences_are_used_as_consent_and_policy_allow(api: ApiClient) -> None:
    planted_shop()
    make_item("LAMP", title="Reading lamp", brand="Acme")
    make_shopper("newcomer")
    prefer(api, "newcomer", brand="Acme")
    assert titles(slate_of("newcomer", limit=1)) == ["Reading lamp"]

    set_signal_policy(SignalKind.PREFERENCE, may_rank=True, may_cite=False)
    [item] = slate_of("newcomer", limit=1).items
    assert item.title == "Reading lamp"
    assert item.reason is None or item.reason.kind != "preference"

    set_signal_policy(SignalKind.PREFERENCE, may_rank=False, may_cite=True)
    assert "Reading lamp" not in titles(slate_of("newcomer", limit=1))
    set_signal_policy(SignalKind.PREFERENCE, may_rank=True, may_cite=True)

    shopper = Shopper.objects.get(external_id="newcomer")
    record_consent(shopper, Purpose.PERSONALIZATION, granted=False, source="tests")
    slate = slate_of("newcomer", limit=1)
    assert not slate.personalized
    assert titles(slate) != ["Reading lamp"]


def test_what_a_country_chooses_counts_for_whoever_comes_from_there(api: ApiClient) -> None:
    shop = planted_shop()
    whisk = shop.kitchen[4]
    for number in range(25):
        buyer = make_shopper(f"finn-{number}")
        make_event(buyer, whisk, EventKind.PURCHASE, context={"country": "fi"})
    refresh_circumstances(timezone.now())

    def whisk_of(shopper: str | None, country: str) -> ServedItem:
        around = Circumstances(country=country)
        slate = slate_of(shopper, limit=20, around=around)
        return next(item for item in slate.items if item.item_id == whisk.pk)

    def owed(item: ServedItem, name: str) -> float:
        return sum(c.amount for c in item.ledger if c.signal.name == name)

    served, elsewhere = whisk_of(None, "FI"), whisk_of(None, "SE")
    assert owed(served, "country FI") > 0 == owed(elsewhere, "country FI")
    assert served.score == pytest.approx(elsewhere.score + owed(served, "country FI"))
    assert served.reason is not None
    assert served.reason.kind != "circumstance"  # not cited unless the policy says so

    refuses = make_shopper("refuses", granted=False)
    assert owed(whisk_of(refuses.external_id, "FI"), "country FI") == 0
    assert owed(whisk_of(make_shopper("agrees").external_id, "FI"), "country FI") > 0

    set_signal_policy(SignalKind.CIRCUMSTANCE, may_rank=False, may_cite=False)
    assert owed(whisk_of(None, "FI"), "country FI") == 0


def test_what_is_chosen_everywhere_stands_out_nowhere() -> None:
    everywhere = {1: 900, 2: 100}
    items, weights = standing_out({1: 45, 2: 55}, everywhere)
    assert items.tolist() == [2]
    assert weights.tolist() == [0.05]
    assert len(standing_out({1: 90, 2: 10}, everywhere)[0]) == 0
    assert len(standing_out({2: 5}, everywhere)[0]) == 0


def test_preferences_cost_no_statement_once_they_are_settled(api: ApiClient) -> None:
    planted_shop()
    make_shopper("newcomer")
    prefer(api, "newcomer", category="Kitchen", brand="Acme")
    for _ in range(2):
        slate_of("newcomer")
    with CaptureQueriesContext(connection) as queries:
        slate_of("newcomer")
    assert len(queries) <= 4, [query["sql"][:80] for query in queries]


def test_the_first_click_changes_the_next_slate(api: ApiClient) -> None:
    shop = planted_shop()
    shopper = make_shopper("newcomer")
    kitchen = {item.title for item in shop.kitchen}
    make_event(shopper, shop.kitchen[0], EventKind.CLICK)
    assert set(titles(slate_of("newcomer", limit=2))) <= kitchen


def test_a_new_item_is_recommended_by_what_it_is_like(api: ApiClient) -> None:
    planted_shop()
    make_item("NEW-1", title="Camping tent for four people")
    make_item("NEW-2", title="Large camping tent for four people")
    make_item("NEW-3", title="Invoice software, yearly plan")
    embed_changed_items(current_schema())
    first = slate_of(None, "item", item="NEW-1", limit=1).items[0]
    assert first.title == "Large camping tent for four people"
    assert first.reason is not None
    assert first.reason.text == "Similar to Camping tent for four people"


def test_a_search_is_ordered_by_the_shoppers_own_signals_and_by_nothing_else(
    api: ApiClient,
) -> None:
    shop = planted_shop()
    shopper = make_shopper("camper")
    ids = [shop.camping[1].pk, shop.kitchen[1].pk]
    assert affinity(build_request("search", shopper=ShopperRef(known="camper")), ids) == {}

    make_event(shopper, shop.camping[0], EventKind.VIEW)
    found = affinity(build_request("search", shopper=ShopperRef(known="camper")), ids)
    bag, knife = (found[item].score for item in ids)
    assert bag > knife
    kinds = {c.signal.kind for ledger in found.values() for c in ledger}
    assert kinds == {"view"}

    record_consent(shopper, Purpose.PERSONALIZATION, granted=False, source="tests")
    with CaptureQueriesContext(connection) as queries:
        request = build_request("search", shopper=ShopperRef(known="camper"))
        read = len(queries)
        assert affinity(request, ids) == {}
    assert len(queries) == read
