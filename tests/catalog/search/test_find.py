"""Searching in the index: what is found, what comes first, and what is said about it."""

from decimal import Decimal

import pytest

from catalog.search.find import find
from catalog.search.indexing import update_index
from catalog.search.values import Filter, Rescue, SearchRequest, SearchResults, Sort
from catalog.tasks import embed_changed_items
from tenants.models import Tenant
from tenants.tasks import current_schema
from tests.make import make_item

pytestmark = pytest.mark.usefixtures("index_dir")


def search(text: str = "", *filters: Filter, **more: object) -> SearchResults:
    update_index()
    results = find(SearchRequest(text=text, filters=filters, explain=True, **more))  # type: ignore[arg-type]
    assert results.fallbacks == ()
    return results


def found(text: str = "", *filters: Filter, sort: Sort = "relevance", **more: object) -> list[int]:
    return [hit.item_id for hit in search(text, *filters, sort=sort, **more).hits]


def test_a_word_in_the_title_counts_more_than_one_in_the_description(tenant: Tenant) -> None:
    described = make_item(title="Chair", description="Goes well with a lamp of oak.")
    titled = make_item(title="Lamp", description="Goes well with a chair of oak.")
    make_item(title="Table")
    assert found("lamp") == [titled.pk, described.pk]
    first, second = search("lamp").hits
    assert first.score > second.score > 0
    assert {part.field for part in first.contributions} == {"text", "prose", "title"}
    assert sum(part.amount for part in first.contributions) == pytest.approx(first.score)


def test_a_rare_word_counts_more_than_a_common_one(tenant: Tenant) -> None:
    for number in range(20):
        make_item(title=f"Oak board {number}")
    rare = make_item(title="Walnut board")
    common = make_item(title="Oak chair")
    ids = found("walnut oak")
    assert ids[0] == rare.pk
    assert common.pk in ids


@pytest.mark.parametrize(
    ("language", "title", "text"),
    [
        ("en", "Running shoes", "shoe run"),
        ("de", "Stühle aus Häusern", "stuhl haus"),
        ("fr", "Chaussures élégantes", "chaussure elegante"),
        ("es", "Zapatillas corriendo", "zapatilla correr"),
        ("it", "Scarpe rosse", "scarpa rosso"),
        ("sv", "Stolarna", "stolar"),
    ],
)
def test_words_are_found_in_their_other_forms_by_the_items_language(
    tenant: Tenant, language: str, title: str, text: str
) -> None:
    item = make_item(title=title, language=language)
    make_item(title="Qwxyz", language="en")
    results = search(text, language=language)
    assert results.hits[0].item_id == item.pk
    assert results.rescues == ()


def test_items_of_several_languages_are_found_by_one_search(tenant: Tenant) -> None:
    german = make_item(title="Lampen", language="de")
    english = make_item(title="Lamps", language="en")
    assert {german.pk, english.pk} <= set(found("lamp", language="en")[:2])


@pytest.mark.parametrize("text", ["keybord", "kyeboard", "keyboardd", "ceyboard"])
def test_a_misspelled_word_is_taken_for_the_nearest_one_and_said_so(
    tenant: Tenant, text: str
) -> None:
    item = make_item(title="Mechanical keyboard")
    make_item(title="Mouse")
    results = search(text)
    assert results.hits[0].item_id == item.pk
    assert results.corrected == ((text, ("keyboard",)),)
    assert Rescue.SPELLING in results.rescues


def test_a_word_that_items_have_is_not_taken_for_another(tenant: Tenant) -> None:
    boat = make_item(title="Boat")
    for _ in range(10):
        make_item(title="Boot")
    results = search("boat")
    assert results.hits[0].item_id == boat.pk
    assert results.corrected == ()
    assert all(part.retriever == "dense" for hit in results.hits[1:] for part in hit.contributions)


@pytest.mark.parametrize("text", ["TN-2110", "tn2110", "tn 2110", "Brother TN2110"])
def test_a_model_number_is_found_however_it_is_written(tenant: Tenant, text: str) -> None:
    item = make_item(title="Brother TN-2110 toner")
    make_item(title="Brother printer 2110X")
    assert found(text)[0] == item.pk


def test_words_run_together_or_torn_apart_are_found(tenant: Tenant) -> None:
    headset = make_item(title="Wireless headset")
    bag = make_item(title="Leather laptop bag")
    assert found("head set")[0] == headset.pk
    assert found("laptopbag")[0] == bag.pk


def test_what_is_torn_apart_counts_no_more_than_what_is_written_as_one(tenant: Tenant) -> None:
    headsets = {make_item(title=f"Wireless headset {number}").pk for number in range(20)}
    parts = make_item(title="Doll with a head of hair to be styled, brushes and combs, in a set")
    for number in range(20):
        make_item(title=f"Table set {number}")
    results = search("head set", limit=30)
    assert {hit.item_id for hit in results.hits if hit.matches} == {*headsets, parts.pk}
    first, *_ = results.hits
    assert first.item_id in headsets


def test_a_misspelled_text_means_what_the_text_it_is_taken_for_means(tenant: Tenant) -> None:
    for title in ("Keyboard with keys", "Keyboard stand", "Mouse", "Piano", "Grill"):
        make_item(title=title)
    embed_changed_items(current_schema())

    def meant(text: str) -> dict[int, float]:
        return {
            hit.item_id: round(part.amount, 6)
            for hit in search(text).hits
            for part in hit.contributions
            if part.retriever == "dense"
        }

    right = meant("keyboard keys")
    assert len(right) > 2
    assert meant("keybord keys") == right
    assert meant("key board keys") == right
    assert meant("piano keys") != right


@pytest.mark.parametrize("name", ["Product type", "produkttyp", "tipo"])
def test_what_a_thing_is_comes_before_what_is_for_it(tenant: Tenant, name: str) -> None:
    lock = make_item(title="Laptop lock", attributes={name: "Lock"})
    laptop = make_item(title="EliteBook 2530", attributes={name: "Laptop"})
    filed = make_item(title="EliteBook 2540", category_path=("Computers", "Laptop"))
    for number in range(20):
        make_item(title=f"Mouse {number}", attributes={name: "Mouse"})
    assert found("laptop")[2] == lock.pk
    assert set(found("laptop")[:2]) == {laptop.pk, filed.pk}
    laptop.attributes = {"made for": "Laptop"}
    laptop.save()
    assert found("laptop")[:3] == [filed.pk, lock.pk, laptop.pk]


def test_what_a_code_names_comes_first_whatever_the_words_say(tenant: Tenant) -> None:
    for number in range(5):
        make_item(title=f"Cable 4006381333931 compatible {number}")
    by_ean = make_item(title="Pen", attributes={"gtin": "4006381333931"})
    by_sku = make_item("AB-1234/X", title="Pencil")
    assert found("4006381333931")[0] == by_ean.pk
    assert found("04006381333931")[0] == by_ean.pk
    assert found("ab1234x")[0] == by_sku.pk
    assert found("the AB-1234/X please")[0] == by_sku.pk
    assert search("4006381333931").hits[0].contributions[0].retriever == "code"


def test_a_synonym_of_the_request_finds_what_the_catalog_calls_otherwise(tenant: Tenant) -> None:
    notebook = make_item(title="Silver notebook computer")
    for number in range(3):
        make_item(title=f"Lap belt top {number}")
    plain = search("cheap laptop")
    assert "laptop" in {*plain.ignored, *(word for word, _ in plain.corrected)}
    synonyms = (("laptop", ("notebook computer", "ultrabook")),)
    results = search("laptop", synonyms=synonyms)
    assert results.hits[0].item_id == notebook.pk
    assert any(part.field == "title" for part in results.hits[0].contributions)


def test_a_rare_synonym_does_not_come_before_the_word_itself(tenant: Tenant) -> None:
    for number in range(20):
        make_item(title=f"Desk {number}")
    odd = make_item(title="Bureau 99")
    ids = found("desk", synonyms=(("desk", ("bureau",)),))
    assert odd.pk in ids
    assert ids.index(odd.pk) > 10


def test_meaning_finds_what_no_word_leads_to(tenant: Tenant) -> None:
    sofa = make_item(title="Sofa for three people, a comfortable couch")
    make_item(title="Garden hose")
    embed_changed_items(tenant.schema_name)
    results = search("settee")
    assert results.hits[0].item_id == sofa.pk
    assert results.rescues == (Rescue.MEANING,)
    assert results.ignored == ("settee",)


def test_nothing_alike_at_all_is_answered_with_what_sells(tenant: Tenant) -> None:
    one, two = make_item(title="Lamp"), make_item(title="Chair", brand="Acme")
    results = search("zzzzqqqq", popular=(two.pk, one.pk))
    assert [hit.item_id for hit in results.hits] == [two.pk, one.pk]
    assert results.rescues == (Rescue.POPULAR,)
    assert found("zzzzqqqq", Filter("brand", ("nobody",)), popular=(two.pk, one.pk)) == []


def test_what_was_just_sold_out_or_repriced_is_not_shown_as_it_was(tenant: Tenant) -> None:
    kept = make_item(title="Lamp one", price="10")
    sold = make_item(title="Lamp two", price="10")
    dearer = make_item(title="Lamp three", price="10")
    cheap = Filter("price", at_most=Decimal(20))
    assert len(found("lamp", cheap)) == 3
    sold.offer.stock = 0
    sold.offer.save()
    dearer.offer.price = Decimal(30)
    dearer.offer.save()
    stale = find(SearchRequest("lamp", (cheap,), facets=("brand", "availability")))
    assert [hit.item_id for hit in stale.hits] == [kept.pk]
    assert stale.total == 1
    assert [value.count for value in stale.facets[1].values] == [1]
    assert [hit.item_id for hit in find(SearchRequest("", (cheap,))).hits] == [kept.pk]


def test_pages_follow_each_other_without_a_gap_or_a_repetition(tenant: Tenant) -> None:
    for number in range(260):
        make_item(title=f"Lamp {number % 7}", price=str(number % 13))
    every = set(found("lamp", limit=1_000))
    assert len(every) == 260
    sorts: tuple[Sort, ...] = ("relevance", "price", "-price", "newest", "popular")
    for sort in sorts:
        for text in ("lamp", ""):
            pages = [
                hit.item_id
                for offset in range(0, 280, 40)
                for hit in find(SearchRequest(text, sort=sort, offset=offset, limit=40)).hits
            ]
            assert len(pages) == len(set(pages)) == 260, sort
    with pytest.raises(ValueError, match="bounds"):
        find(SearchRequest("lamp", offset=10_001))


def test_a_sort_by_price_shows_what_has_every_word_only(tenant: Tenant) -> None:
    cheap = make_item(title="Desk chair", price="1")
    wanted = [make_item(title="Desk lamp", price=price) for price in ("30", "20")]
    assert found("desk lamp", sort="price") == [wanted[1].pk, wanted[0].pk]
    assert found("desk lamp", sort="-price") == [wanted[0].pk, wanted[1].pk]
    assert cheap.pk in found("desk lamp")
    assert found("desk lamp", sort="popular", popular=(wanted[1].pk,))[0] == wanted[1].pk


def test_stop_words_need_not_be_in_an_item(tenant: Tenant) -> None:
    item = make_item(title="Rain jacket")
    results = search("a jacket for the rain")
    assert results.hits[0].item_id == item.pk
    assert results.rescues == ()


def test_any_text_is_answered(tenant: Tenant) -> None:
    make_item(title="Lamp")
    for text in ('"', "(", "lamp AND", "a" * 5_000, "lamp " * 500, "\x00", "🪔", "title:lamp", "-"):
        search(text, facets=("brand", "price", "attributes.color"))


def test_what_has_every_word_is_counted_apart_from_what_is_near(tenant: Tenant) -> None:
    lamp = make_item(title="Oak desk lamp")
    named = make_item("DL-77", title="Shade of linen")
    near = [make_item(title=title) for title in ("Oak desk", "Floor lamp", "Torch")]
    embed_changed_items(tenant.schema_name)
    both = search("oak desk lamp")
    assert (both.total, both.matching) == (5, 1)
    assert {hit.item_id for hit in both.hits if hit.matches} == {lamp.pk}
    assert {hit.item_id for hit in both.hits if not hit.matches} >= {item.pk for item in near}
    some = search("desk torch")
    assert some.rescues == (Rescue.SOME_WORDS,)
    assert {hit.item_id for hit in some.hits if hit.matches} == {lamp.pk, near[0].pk, near[2].pk}
    code = search("dl77")
    assert (code.hits[0].item_id, code.hits[0].matches, code.matching) == (named.pk, True, 1)
    for text in ("illuminant", "luminaire"):
        meant = search(text)
        assert meant.rescues == (Rescue.MEANING,)
        assert (meant.total, meant.matching) == (5, 0)
    everything = search("")
    assert (everything.total, everything.matching) == (5, 5)
    by_price = search("oak desk lamp", sort="price")
    assert (by_price.total, by_price.matching) == (1, 1)


def test_a_thing_with_a_variant_that_matches_is_counted_once_as_matching(tenant: Tenant) -> None:
    for size in ("small", "large"):
        make_item(title=f"Desk lamp {size}", group_id="desk lamp")
    make_item(title="Desk", group_id="desk lamp")
    make_item(title="Floor lamp", group_id="floor lamp")
    embed_changed_items(tenant.schema_name)
    results = search("desk lamp")
    assert (results.total, results.matching) == (2, 1)


def test_many_matches_beyond_the_pool_all_count(tenant: Tenant) -> None:
    for number in range(260):
        make_item(title=f"Lamp {number}")
    make_item(title="Torch")
    embed_changed_items(tenant.schema_name)
    results = search("lamp", limit=300)
    assert results.matching == 260
    assert results.total in {260, 261}
    assert sum(hit.matches for hit in results.hits) == 260
