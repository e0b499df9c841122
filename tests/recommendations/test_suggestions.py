"""What is suggested as a shopper types, and the vocabulary it is made of."""

import time

import pytest
from django.utils import timezone

from catalog.models import Item
from catalog.search.tenant_vocabulary import refresh_vocabulary, tenant_vocabulary
from catalog.search_models import SearchPhrase
from recommendations.search_models import Search
from recommendations.searching import log, words
from tests.conftest import ApiClient
from tests.make import make_item


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


def test_a_search_says_that_nothing_was_understood_until_the_vocabulary_is_parsed(
    api: ApiClient, jackets: dict[str, Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh_vocabulary()
    monkeypatch.setattr("catalog.search.tenant_vocabulary.PARSED_AT_ONCE", 0)
    monkeypatch.setattr("catalog.search.tenant_vocabulary._parsed", {})
    early = api.get("/api/v1/search", q="red jacket under 100").json()
    assert early["fallbacks"] == ["understanding"]
    assert [each["field"] for each in early["understood"]] == ["price"]
    for _ in range(100):
        later = api.get("/api/v1/search", q="red jacket under 100").json()
        if not later["fallbacks"]:
            assert len(later["understood"]) > 1
            return
        time.sleep(0.05)
    pytest.fail("It is never parsed.")
