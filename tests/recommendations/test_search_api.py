"""GET search and its suggestions: what is understood, found, ordered, stated and kept."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from catalog.models import Item
from catalog.search.indexing import update_index
from catalog.search.storage import forget
from catalog.search.synonyms import (
    EVERYDAY,
    book_of,
    everyday_synonyms,
    import_synonyms,
    read_lines,
    synonyms_in,
)
from catalog.search.tenant_vocabulary import refresh_vocabulary, tenant_vocabulary
from catalog.search_models import SearchPhrase, SearchSynonym
from profiles.consent import record_consent
from profiles.models import Event, EventKind, Purpose
from recommendations.feedback import write_decisions
from recommendations.models import Decision, MerchandisingRule
from recommendations.placements import ensure_default_placements
from recommendations.search_models import Search
from recommendations.searching import log, words
from recommendations.searching.personal_order import BAND, bonus, in_personal_order
from recommendations.values import Contribution, SignalRef
from tenants.connection import connection
from tenants.models import Tenant
from tests.conftest import ApiClient
from tests.make import make_event, make_item, make_shopper


@pytest.fixture
def index_dir(tmp_path: Path, settings: Settings) -> Iterator[None]:
    settings.SEARCH_INDEX_DIR = tmp_path / "search"
    forget("ours")
    yield
    forget("ours")


@pytest.fixture
def jackets(tenant: object, index_dir: None) -> dict[str, Item]:
    """Six jackets that differ in color, price, brand and whether they are waterproof."""
    made = {}
    for name, price, color, size, brand in (
        ("black", "80.00", "black", "M", "Nordhang"),
        ("red", "90.00", "red", "M", "Nordhang"),
        ("navy", "95.00", "navy", "M", "Alpen"),
        ("dear", "150.00", "red", "M", "Alpen"),
        ("small", "60.00", "red", "S", "Alpen"),
    ):
        made[name] = make_item(
            name,
            title=f"Waterproof jacket {name}",
            price=price,
            brand=brand,
            category_path=("Clothing", "Jackets"),
            attributes={"color": color, "size": size, "waterproof": "yes"},
        )
    made["sold-out"] = make_item("sold-out", title="Waterproof jacket gone", stock=0)
    make_item("tent", title="Tent for two", category_path=("Camping",), brand="Alpen")
    refresh_vocabulary()
    update_index(anew=True)
    return made


def found(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [item["item"] for item in response.json()["items"]]


def states(response: Any) -> dict[str, str]:
    return {each["id"]: each["state"] for each in response.json()["understood"]}


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
    assert answer["total"] == 2
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
    assert response.json()["total"] == len(plain) - 2
    assert "Push small" in ledger_of(response, "small")
    assert "Tents are near" in ledger_of(response, "tent")
    assert "tent" not in found(api.get("/api/v1/search", q="jacket under 100")), "nobody asked it"
    assert "red" not in found(api.get("/api/v1/search", q="jacket", sort="price"))
    assert "red" in found(api.get("/api/v1/search", q="waterproof")), "another query"


# -- What is kept ---------------------------------------------------------------------------------


def test_a_search_is_kept_with_the_shopper_only_as_far_as_analytics_is_granted(
    api: ApiClient, jackets: dict[str, Item]
) -> None:
    shopper = make_shopper("s-1")
    first = api.get("/api/v1/search", q="Red  Jacket under 100", shopper="s-1").json()["search"]
    record_consent(shopper, Purpose.ANALYTICS, granted=True, source="tests")
    second = api.get("/api/v1/search", q="red jacket", shopper="s-1").json()["search"]
    third = api.get("/api/v1/search", q="zzzz").json()["search"]
    assert log.write_searches() == 3
    kept = {str(row.pk): row for row in Search.objects.all()}
    assert (kept[first].shopper_id, kept[second].shopper_id) == (None, shopper.pk)
    assert kept[first].folded == "red jacket under 100"
    assert kept[first].drawer == kept[second].drawer
    assert kept[third].drawer is None
    assert kept[first].results == 2
    assert "applied: price:..100" in kept[first].understood
    assert kept[third].rescues == ["popular"], "what sells is no result"
    assert log.write_searches() == 0, "nothing is written twice"


def test_what_shoppers_do_with_results_is_counted_for_the_search(
    api: ApiClient, jackets: dict[str, Item]
) -> None:
    response = api.get("/api/v1/search", q="jacket", anonymous="device").json()
    log.write_searches()
    click = next(a for a in response["items"][0]["actions"] if a["type"] == "click")
    searched = next(a for a in response["actions"] if a["type"] == "search")
    events = [{**action["body"], "anonymous": "device"} for action in (click, searched)]
    outcome = api.post("/api/v1/events", {"events": events}).json()
    assert outcome["refused"] == 0, outcome
    assert words.refresh_clicks(timezone.now()) == 1
    row = Search.objects.get()
    assert row.clicks == 1, "the search itself is no click"
    stored = Event.stored.get(kind="search")
    assert (stored.query, stored.decision_id) == ("jacket", UUID(response["search"]))
    assert words.refresh_clicks(timezone.now()) == 0


def test_the_words_of_a_search_are_not_in_its_decision(
    api: ApiClient, jackets: dict[str, Item]
) -> None:
    search = api.get("/api/v1/search", q="jacket secret-word", shopper="s-1").json()["search"]
    write_decisions()
    decision = Decision.objects.filter(pk=search).values().first()
    assert "secret" not in str(decision)


# -- When something is out ------------------------------------------------------------------------


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


# -- Synonyms -------------------------------------------------------------------------------------


def test_synonyms_go_one_way_or_both_and_cover_phrases() -> None:
    lines, wrong = read_lines(
        "# ours\nsneakers, trainers, gym shoes\n\ncell => phone, mobile\nalone\na => b => c\n"
    )
    assert [problem.split(":")[0] for problem in wrong] == ["Line 5", "Line 6"]
    book = book_of(lines)
    assert book.expansions("red trainers") == (("trainers", ("sneakers", "gym shoes")),)
    assert book.expansions("Gym shoe") == (("Gym shoe", ("sneakers", "trainers")),)
    assert book.expansions("cell") == (("cell", ("phone", "mobile")),)
    assert book.expansions("phone") == ()


def test_a_synonym_counts_from_the_next_search_on(tenant: object) -> None:
    assert synonyms_in("anorak") == ()
    lines, _ = read_lines("anorak, jacket")
    assert import_synonyms(lines) == 1
    assert synonyms_in("an anorak") == (("anorak", ("jacket",)),)
    SearchSynonym.objects.get().delete()
    assert synonyms_in("anorak") == ()


@given(st.text(max_size=200))
def test_no_list_of_synonyms_breaks_the_import(text: str) -> None:
    lines, wrong = read_lines(text)
    assert len(lines) + len(wrong) <= 21 * len(text.splitlines())
    book_of(lines).expansions(text)


# -- Suggestions ----------------------------------------------------------------------------------


def suggested(api: ApiClient, typed: str) -> list[tuple[str, str]]:
    response = api.get("/api/v1/search/suggestions", q=typed)
    assert response.status_code == 200, response.content
    return [(each["kind"], each["text"]) for each in response.json()["suggestions"]]


def test_suggestions_complete_categories_brands_and_titles(
    api: ApiClient, jackets: dict[str, Item]
) -> None:
    words.refresh_search_words(timezone.now(), anyway=True)
    assert ("category", "Jackets") in suggested(api, "jack")
    assert suggested(api, "nord") == [("brand", "Nordhang")]
    assert suggested(api, "TENT") == [("item", "Tent for two")]
    assert ("item", "Waterproof jacket navy") in suggested(api, "wat")
    assert ("item", "Tent for two") in suggested(api, "two"), "a word within begins with it"
    assert ("brand", "Nordhang") in suggested(api, "nordhnag"), "misspelled"
    assert suggested(api, "") == []
    assert suggested(api, "%") == []
    assert all(text != "Waterproof jacket gone" for _, text in suggested(api, "waterproof"))


def test_a_query_is_suggested_once_several_shoppers_typed_it_and_never_a_private_one(
    api: ApiClient, jackets: dict[str, Item]
) -> None:
    def search(query: str, shoppers: int, *, prefix: str = "d") -> None:
        for number in range(shoppers):
            api.get("/api/v1/search", q=query, anonymous=f"{prefix}-{number}")

    search("waterproof red", 12)
    search("waterproof of max mustermann", 1)
    for _ in range(12):
        api.get("/api/v1/search", q="waterproof gift for anna", anonymous="one")
    log.write_searches()
    Search.objects.filter(folded__contains="anna").update(results=3, rescues=[])
    words.refresh_search_words(timezone.now(), anyway=True)
    queries = [text for kind, text in suggested(api, "waterproof") if kind == "query"]
    assert queries == ["waterproof red"]


def test_what_looks_personal_is_never_suggested(tenant: object) -> None:
    now = timezone.now()
    for text in ("jacket", "anna@example.com", "0170 1234567", "order 1234567"):
        Search.objects.bulk_create(
            Search(searched_at=now, text=text, folded=text, drawer=n, results=1, sort="relevance",
                   latency_ms=1)
            for n in range(9)
        )  # fmt: skip
    assert words.popular_queries(now) == {"jacket": 1.0}


def test_items_that_cannot_be_had_are_not_suggested(
    api: ApiClient, jackets: dict[str, Item]
) -> None:
    words.refresh_search_words(timezone.now(), anyway=True)
    assert ("item", "Tent for two") in suggested(api, "tent")
    Item.objects.filter(external_id="tent").update(available=False)
    assert suggested(api, "tent") == []


def test_a_misspelled_query_that_finds_little_is_answered_with_what_was_meant(
    api: ApiClient, jackets: dict[str, Item]
) -> None:
    words.refresh_search_words(timezone.now(), anyway=True)
    assert api.get("/api/v1/search", q="nordhnag").json()["did_you_mean"] == "Nordhang"
    assert api.get("/api/v1/search", q="nordhang jacket").json()["did_you_mean"] is None


def test_suggestions_are_there_without_waiting_for_the_schedule(
    api: ApiClient, jackets: dict[str, Item]
) -> None:
    assert not SearchPhrase.objects.exists()
    assert suggested(api, "nord") == [("brand", "Nordhang")]


# -- What it costs --------------------------------------------------------------------------------


def test_the_queries_of_a_search_do_not_grow_with_the_page(
    api: ApiClient, jackets: dict[str, Item], django_assert_max_num_queries: Callable[..., Any]
) -> None:
    api.get("/api/v1/search", q="jacket", limit=2)

    def queries(limit: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            found(api.get("/api/v1/search", q="red jacket", facets="", limit=limit))
        return len(captured)

    assert queries(1) == queries(5)


def test_the_vocabulary_is_read_anew_when_items_change(
    api: ApiClient, jackets: dict[str, Item]
) -> None:
    assert tenant_vocabulary().currencies == {"EUR"}
    make_item("green", title="Green hat", attributes={"color": "green"})
    refresh_vocabulary()
    assert any(term.value == "green" for term in tenant_vocabulary().terms)


def test_nobody_waits_for_a_large_vocabulary_to_be_parsed_again(
    api: ApiClient, jackets: dict[str, Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tenant_vocabulary()
    monkeypatch.setattr("catalog.search.tenant_vocabulary.PARSED_AT_ONCE", 0)
    make_item("green", title="Green hat", attributes={"color": "green"})
    refresh_vocabulary()
    assert tenant_vocabulary() is before
    for _ in range(100):
        if any(term.value == "green" for term in tenant_vocabulary().terms):
            return
        time.sleep(0.05)
    pytest.fail("It is never parsed.")


def test_everyday_synonyms_count_until_the_shop_says_otherwise(tenant: Tenant) -> None:
    connection.set_tenant(tenant)
    assert synonyms_in("a red sofa") == (("sofa", ("couch", "settee")),)
    import_synonyms(read_lines("sofa, davenport")[0])
    assert synonyms_in("a red sofa") == (("sofa", ("davenport",)),)
    SearchSynonym.objects.update(active=False)
    assert synonyms_in("a red sofa") == ()
    assert synonyms_in("a couch") == (("couch", ("sofa", "settee")),)


def test_everyday_synonyms_can_be_turned_off(tenant: Tenant, settings: Settings) -> None:
    connection.set_tenant(tenant)
    settings.SEARCH_EVERYDAY_SYNONYMS = False
    assert synonyms_in("sofa") == ()


def test_everyday_synonyms_are_a_broad_list_of_english_only() -> None:
    lines, wrong = read_lines((EVERYDAY / "everyday_synonyms_en.txt").read_text(encoding="utf-8"))
    assert (len(lines) > 250, wrong) == (True, [])
    assert len(everyday_synonyms("en").by_words) > 500
    assert everyday_synonyms("de").by_words == {}
    assert everyday_synonyms("../en").by_words == {}
