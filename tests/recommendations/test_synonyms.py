"""What may stand for a word: the shop's own synonyms, and everyday ones."""

from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from catalog.search.synonyms import (
    EVERYDAY,
    book_of,
    everyday_synonyms,
    import_synonyms,
    read_lines,
    synonyms_in,
)
from catalog.search_models import SearchSynonym
from tenants.connection import connection
from tenants.models import Tenant


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
