"""GET search: what is understood, found, ordered and stated."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from catalog.models import Item
from catalog.search.indexing import update_index
from profiles.consent import record_consent
from profiles.models import EventKind, Purpose
from recommendations.feedback import write_decisions
from recommendations.models import MerchandisingRule
from recommendations.placements import ensure_default_placements
from recommendations.searching.personal_order import BAND, bonus, in_personal_order
from recommendations.values import Contribution, SignalRef
from tenants.connection import connection
from tests.conftest import ApiClient
from tests.make import make_event, make_item, make_shopper
from tests.recommendations.searches import found, states


def test_constraints_in_the_words_become_filters_that_are_stated(
    api: ApiClient, jackets: dict[str, Item]
) -> None:
    response = api.get("/api/v1/search", q="waterproof jacket under 100, not black, size M")
    assert set(found(response)) == {"red", "navy"}
    assert states(response) | {"category:Jackets": ""} == {
        "waterproof:yes": "applied",
        "category:Jackets": "",
        "price:..100": "applied",
        "-color:black": "applied",
        "size:M": "applied",
    }
    answer = response.json()
    assert answer["total"] == answer["matching"] == 2
    assert all(item["matches"] for item in answer["items"])
    assert answer["searched"] == "jacket"
    words_of = {each["id"]: each["words"] for each in answer["understood"]}
    assert words_of["-color:black"] == "not black"
    assert answer["items"][0]["offer"]["currency"] == "EUR"
    assert answer["fallbacks"] == []


def test_a_shopper_removes_what_was_understood_by_its_id(
    api: ApiClient, jackets: dict[str, Item]
) -> None:
    query = "jacket under 100, not black"
    assert set(found(api.get("/api/v1/search", q=query))) == {"red", "navy", "small"}
    without_price = api.get("/api/v1/search", q=query, ignore="price:..100")
    assert "price:..100" not in states(without_price)
    assert "-color:black" in states(without_price)
    assert "black" not in found(without_price)


def test_filters_are_demanded_beside_the_words(api: ApiClient, jackets: dict[str, Item]) -> None:
    def search(*filters: str) -> set[str]:
        return set(found(api.get("/api/v1/search", q="jacket", filter=list(filters))))

    assert search("price:..90") == {"black", "red", "small"}
    assert search("color:red|navy", "size:M") == {"red", "navy", "dear"}
    assert search("-brand:Nordhang") == {"navy", "dear", "small"}
    assert search("category:Clothing", "price:91..100") == {"navy"}
    assert search("availability:sold_out") == {"sold-out"}
    assert search("color:green") == set()


def test_facets_count_what_there_is_to_choose_from(
    api: ApiClient, jackets: dict[str, Item]
) -> None:
    answer = api.get("/api/v1/search", q="jacket", facets="color,price").json()
    by_field = {facet["field"]: facet for facet in answer["facets"]}
    colors = {each["value"]: each for each in by_field["attributes.color"]["values"]}
    assert colors["red"]["count"] == 3
    assert sum(each["count"] for each in by_field["price"]["ranges"]) == answer["total"]
    chosen = api.get("/api/v1/search", q="jacket", filter=colors["red"]["filter"])
    assert chosen.json()["total"] == 3
    usual = api.get("/api/v1/search", q="jacket", facets="usual").json()["facets"]
    fields = {facet["field"] for facet in usual}
    assert api.get("/api/v1/search", q="jacket").json()["facets"] == []
    assert {"category", "brand", "price", "attributes.color", "attributes.size"} <= fields


def test_pages_and_sorts_show_every_result_once(api: ApiClient, jackets: dict[str, Item]) -> None:
    pages = [
        found(api.get("/api/v1/search", q="jacket", sort="price", limit=2, offset=offset))
        for offset in (0, 2, 4)
    ]
    assert [name for page in pages for name in page] == ["small", "black", "red", "navy", "dear"]
    dearest = found(api.get("/api/v1/search", q="jacket", sort="-price", limit=1))
    assert dearest == ["dear"]
    assert len(found(api.get("/api/v1/search"))) == 6, "without words, everything is listed"


def test_a_wish_that_nothing_fulfills_is_relaxed_and_said_so(
    api: ApiClient, jackets: dict[str, Item]
) -> None:
    response = api.get("/api/v1/search", q="navy jacket size S under 100")
    assert states(response)["color:navy"] == "relaxed"
    assert states(response)["price:..100"] == "applied"
    assert response.json()["total"] > 0
    assert "dear" not in found(response), "a price is meant"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"filter": "color"}, "filter.0"),
        ({"filter": "price:cheap"}, "filter.0"),
        ({"filter": ["color:red", "price:9..3"]}, "filter.1"),
        ({"filter": ["a:b"] * 31}, "filter"),
        ({"sort": "random"}, "sort"),
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"offset": "-1"}, "offset"),
        ({"offset": "99999"}, "offset"),
        ({"q": "x" * 501}, "q"),
        ({"q": "a\x00b"}, "q"),
        ({"language": "Deutsch!"}, "language"),
        ({"facets": ",".join("abcdefghijklmnopqrstu")}, "facets"),
        ({"page": "2"}, "page"),
    ],
)
def test_what_cannot_be_searched_for_is_refused_by_its_field(
    api: ApiClient, query: dict[str, Any], field: str
) -> None:
    response = api.get("/api/v1/search", **query)
    assert response.status_code == 400
    assert response.json()["code"] == "invalid_input"
    assert any(name.startswith(field) for name in response.json()["fields"]), response.json()


def test_a_search_needs_a_key_with_its_scope(api: ApiClient) -> None:
    for path in ("/api/v1/search", "/api/v1/search/suggestions"):
        assert api.request("GET", path, key="attune_sk_wrong").status_code == 401


# -- The order ------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(-1, 1)),
        max_size=30,
    )
)
def test_no_item_is_moved_below_one_that_is_less_relevant_by_more_than_the_band(
    results: list[tuple[float, float]],
) -> None:
    results = sorted(results, key=lambda pair: -pair[0])
    relevance = {item: r for item, (r, _) in enumerate(results)}
    bonuses = {item: b for item, (_, b) in enumerate(results)}
    order = in_personal_order(list(relevance.items()), bonuses)
    assert sorted(order) == sorted(relevance)
    for place, above in enumerate(order):
        for below in order[place + 1 :]:
            assert relevance[below] - relevance[above] <= BAND + 1e-12


@given(st.lists(st.floats(-5, 50), max_size=8))
def test_the_bonus_of_any_taste_stays_in_the_band_and_is_owed_to_its_signals(
    amounts: list[float],
) -> None:
    given = [
        Contribution(SignalRef("view", item_id=n), "neighbors", amount)
        for n, amount in enumerate(amounts)
    ]
    made = bonus(given)
    assert -1e-9 <= sum(c.amount for c in made) <= BAND + 1e-9
    assert [c.signal for c in made] in ([], [c.signal for c in given])


def test_taste_orders_near_equal_results_with_consent_only(
    api: ApiClient, jackets: dict[str, Item]
) -> None:
    ensure_default_placements()
    twin = make_item(
        "red-twin",
        title="Waterproof jacket red",
        brand="Nordhang",
        category_path=("Clothing", "Jackets"),
        attributes={"color": "red", "size": "M", "waterproof": "yes"},
    )
    update_index()
    shopper = make_shopper("s-1")

    def order() -> tuple[list[str], bool]:
        response = api.get("/api/v1/search", q="waterproof jacket red", shopper="s-1")
        twins = [name for name in found(response) if name.startswith("red")]
        return twins, response.json()["personalized"]

    assert order() == (["red", "red-twin"], False)
    make_event(shopper, twin, EventKind.ADD_TO_CART)
    assert order() == (["red-twin", "red"], True)

    response = api.get("/api/v1/search", q="waterproof jacket red", shopper="s-1")
    write_decisions()
    why = api.get(f"/api/v1/recommendations/{response.json()['search']}/why").json()
    kinds = {entry["signal"]["kind"]: entry["amount"] for entry in why["items"][0]["ledger"]}
    assert kinds["query"] == pytest.approx(1.0)
    assert 0 < sum(amount for kind, amount in kinds.items() if kind != "query") <= BAND

    record_consent(shopper, Purpose.PERSONALIZATION, granted=False, source="tests")
    assert order() == (["red", "red-twin"], False)


def test_an_item_that_can_no_longer_be_had_is_not_shown(
    api: ApiClient, jackets: dict[str, Item]
) -> None:
    assert "red" in found(api.get("/api/v1/search", q="jacket"))
    jackets["red"].offer.stock = 0
    jackets["red"].offer.save()
    assert "red" not in found(api.get("/api/v1/search", q="jacket"))


def test_rules_with_a_query_hold_for_searches_with_it(
    api: ApiClient, jackets: dict[str, Item]
) -> None:
    ensure_default_placements()

    def ledger_of(response: Any, item: str) -> list[str | None]:
        write_decisions()
        why = api.get(f"/api/v1/recommendations/{response.json()['search']}/why").json()
        [shown] = [each for each in why["items"] if each["item"] == item]
        return [entry["signal"]["name"] for entry in shown["ledger"]]

    plain = found(api.get("/api/v1/search", q="jacket"))
    tent = Item.objects.get(external_id="tent")
    for fields in (
        {"name": "Push small", "kind": "boost", "item": jackets["small"], "amount": 2},
        {"name": "No Nordhang", "kind": "exclude", "brand": "Nordhang"},
        {"name": "Tents are near", "kind": "pin", "item": tent},
    ):
        MerchandisingRule.objects.create(query="jacket", status="live", **fields)
    response = api.get("/api/v1/search", q="jacket")
    assert response.json()["fallbacks"] == []
    assert found(response)[:2] == ["tent", "small"]
    assert set(found(response)) == {*plain, "tent"} - {"black", "red"}
    assert response.json()["total"] == response.json()["matching"] == len(plain) - 2
    assert [item["matches"] for item in response.json()["items"]][:2] == [False, True]
    assert "Push small" in ledger_of(response, "small")
    assert "Tents are near" in ledger_of(response, "tent")
    assert "tent" not in found(api.get("/api/v1/search", q="jacket under 100")), "nobody asked it"
    assert "red" not in found(api.get("/api/v1/search", q="jacket", sort="price"))
    assert "red" in found(api.get("/api/v1/search", q="waterproof")), "another query"


def test_rules_for_a_device_or_a_country_hold_for_searches_from_there(
    api: ApiClient, jackets: dict[str, Item]
) -> None:
    ensure_default_placements()
    wishes: list[dict[str, Any]] = [
        {"device": "mobile", "brand": "Nordhang"},
        {"countries": ["FI"], "brand": "Alpen"},
    ]
    for wish in wishes:
        MerchandisingRule.objects.create(name=str(wish), kind="exclude", status="live", **wish)

    def brands(**around: str) -> set[str]:
        answered = api.get("/api/v1/search", q="waterproof jacket", **around).json()
        return {item["brand"] for item in answered["items"]}

    assert brands() == brands(device="desktop", country="SE") == {"Nordhang", "Alpen"}
    assert brands(device="mobile") == {"Alpen"}
    assert brands(country="fi", referrer="newsletter") == {"Nordhang"}
    for wrong in ({"device": "fridge"}, {"country": "Finland"}, {"referrer": "x" * 101}):
        refused = api.get("/api/v1/search", q="jacket", **wrong)
        assert refused.status_code == 400
        assert set(refused.json()["fields"]) == set(wrong)


def test_a_search_is_answered_whatever_is_out(
    api: ApiClient, jackets: dict[str, Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    def out(*args: object, **options: object) -> None:
        raise DatabaseError("out")

    module = "recommendations.searching.answer"
    for name, layer in (("tenant_vocabulary", "understanding"), ("find", "search")):
        with monkeypatch.context() as patch:
            patch.setattr(f"{module}.{name}", out)
            response = api.get("/api/v1/search", q="red jacket under 100")
            assert response.status_code == 200
            assert response.json()["fallbacks"] == [layer]
    with monkeypatch.context() as patch:
        patch.setattr("recommendations.searching.suggesting.suggest", out)
        response = api.get("/api/v1/search/suggestions", q="jac")
        assert (response.status_code, response.json()["fallbacks"]) == (200, ["suggestions"])


def test_the_queries_of_a_search_do_not_grow_with_the_page(
    api: ApiClient, jackets: dict[str, Item], django_assert_max_num_queries: Callable[..., Any]
) -> None:
    api.get("/api/v1/search", q="jacket", limit=2)

    def queries(limit: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            found(api.get("/api/v1/search", q="red jacket", facets="", limit=limit))
        return len(captured)

    assert queries(1) == queries(5)
