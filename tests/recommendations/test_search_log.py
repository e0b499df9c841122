"""What is kept of a search, and with whom."""

from uuid import UUID

from django.utils import timezone

from catalog.models import Item
from profiles.consent import record_consent
from profiles.models import Event, Purpose
from recommendations.feedback import write_decisions
from recommendations.models import Decision
from recommendations.search_models import Search
from recommendations.searching import log, words
from tests.conftest import ApiClient
from tests.make import make_shopper


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
