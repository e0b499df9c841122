"""A recommendation request does not fail: each layer out in turn, and what is served instead."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django_redis import get_redis_connection
from prometheus_client import REGISTRY

from catalog.embedding import content_hash
from catalog.models import EMBEDDING_DIMENSIONS, Item, ItemEmbedding
from profiles.models import EventKind, Shopper, ShopperState
from recommendations import recommend as module
from recommendations.fallbacks import Fallback
from recommendations.feedback import buffer, write_decisions
from recommendations.models import Decision, Impression, Placement, RankerVersion
from recommendations.pipeline import last_resort
from tenants import settled
from tenants.connection import connection
from tenants.keys import revoke_key
from tenants.models import ApiKey
from tests.conftest import ApiClient
from tests.make import make_event, make_item, make_shopper
from tests.shop import Shop, planted_shop

Outage = Callable[..., Any]

STATE = "profiles_shopperstate"
NEIGHBORS = "recommendations_itemneighbors"
CONTENT = "<#>"
POOL = r"FROM pool|catalog_offer"


@contextmanager
def out(pattern: str) -> Iterator[list[str]]:
    """Statements that match fail, as on a server that just went away; the list holds them."""
    failed: list[str] = []

    def refuse(execute: Outage, sql: str, params: Any, many: Any, context: Any) -> Any:
        if re.search(pattern, sql):
            failed.append(sql)
            raise OperationalError("The server closed the connection unexpectedly.")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        yield failed


def counted(layer: Fallback) -> float:
    return REGISTRY.get_sample_value("attune_fallbacks_total", {"layer": layer.value}) or 0.0


def get(api: ApiClient, placement: str = "home", **query: Any) -> dict[str, Any]:
    answer = api.get("/api/v1/recommendations", placement=placement, **query)
    assert answer.status_code == 200, answer.content
    body: dict[str, Any] = answer.json()
    return body


def titles(body: dict[str, Any]) -> list[str]:
    return [item["title"] for item in body["items"]]


@pytest.fixture
def shop(api: ApiClient) -> Shop:
    found = planted_shop()
    for number, item in enumerate(Item.objects.all()):
        vector = [0.0] * EMBEDDING_DIMENSIONS
        vector[0] = vector[number + 1] = 1.0
        ItemEmbedding.objects.create(
            item=item, model_version="planted", content_hash=content_hash(item.title), vector=vector
        )
    return found


@pytest.fixture
def shopper(shop: Shop) -> Shopper:
    shopper = make_shopper("camper")
    make_event(shopper, shop.camping[0], EventKind.PURCHASE)
    return shopper


def with_everything(api: ApiClient, shopper: Shopper) -> dict[str, Any]:
    whole = get(api, shopper=shopper.external_id, limit=6)
    assert whole["fallbacks"] == []
    assert whole["personalized"] is True
    assert whole["items"][0]["reason"]["text"] == "Because you bought Tent"
    return whole


def test_without_the_state_a_shopper_is_served_as_a_new_one(
    api: ApiClient, shopper: Shopper, caplog: pytest.LogCaptureFixture
) -> None:
    with_everything(api, shopper)
    before = counted(Fallback.SHOPPER)
    with out(STATE):
        body = get(api, shopper="camper", limit=6)
    assert body["fallbacks"] == ["shopper_state"]
    assert body["personalized"] is False
    assert len(body["items"]) == 6
    assert {item["reason"]["kind"] for item in body["items"]} <= {"popular", "trending"}
    assert counted(Fallback.SHOPPER) == before + 1
    assert "Served without shopper_state" in caplog.text
    with_everything(api, shopper)


def test_without_neighbors_the_rest_still_ranks(api: ApiClient, shopper: Shopper) -> None:
    with_everything(api, shopper)
    before = counted(Fallback.NEIGHBORS)
    with out(NEIGHBORS):
        body = get(api, shopper="camper", limit=6)
    assert body["fallbacks"] == ["neighbors"]
    assert len(body["items"]) == 6
    assert all(item["offer"] for item in body["items"])
    assert "Tent" not in titles(body), "what is owned is known all the same"
    assert counted(Fallback.NEIGHBORS) == before + 1


def test_without_content_the_neighbors_still_rank(api: ApiClient, shopper: Shopper) -> None:
    with_everything(api, shopper)
    before = counted(Fallback.CONTENT)
    with out(CONTENT) as failed:
        body = get(api, shopper="camper", limit=6)
    assert len(failed) == 1
    assert body["fallbacks"] == ["content"]
    assert body["items"][0]["reason"]["text"] == "Because you bought Tent"
    assert counted(Fallback.CONTENT) == before + 1


def test_without_ranking_the_merchants_list_is_served_in_its_order(
    api: ApiClient, shop: Shop, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_everything(api, shopper)
    chosen = [shop.kitchen[3], shop.camping[4], shop.kitchen[1]]
    placement = Placement.objects.get(code="home")
    placement.static_items.set(chosen)
    placement.save()
    shop.camping[4].offer.stock = 0
    shop.camping[4].offer.save()
    before = counted(Fallback.RANKING)

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(module, "rank", broken)
    body = get(api, shopper="camper", limit=6)
    assert body["fallbacks"] == ["ranking"]
    assert body["personalized"] is False
    assert set(titles(body)) == {shop.kitchen[3].title, shop.kitchen[1].title}
    assert all(item["reason"] is None for item in body["items"]), "nothing is made up"
    assert all(item["offer"]["in_stock"] for item in body["items"])
    assert counted(Fallback.RANKING) == before + 1
    monkeypatch.undo()
    with_everything(api, shopper)


def test_without_ranking_and_without_a_list_the_newest_items_are_served(
    api: ApiClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = make_item(title="Just in")
    monkeypatch.setattr(module, "rank", lambda *_, **__: 1 / 0)
    body = get(api, limit=3)
    assert (body["fallbacks"], titles(body)[0]) == (["ranking"], newest.title)


def test_without_the_database_what_was_served_last_is_served_without_prices(
    api: ApiClient, shop: Shop, shopper: Shopper
) -> None:
    last = get(api, limit=6)
    assert all(item["offer"] for item in last["items"])
    before = counted(Fallback.DATABASE)
    with out("."):
        body = get(api, shopper="camper", limit=4)
    assert body["fallbacks"] == ["shopper_state", "ranking", "database"]
    assert titles(body) == titles(last)[:4]
    assert [item["offer"] for item in body["items"]] == [None] * 4
    assert [item["reason"] for item in body["items"]] == [None] * 4
    assert body["personalized"] is False
    assert counted(Fallback.DATABASE) == before + 1

    again = get(api, shopper="camper")
    assert again["fallbacks"] == []
    write_decisions()
    decision = Decision.objects.get(pk=body["decision"])
    assert decision.fallbacks == ["shopper_state", "ranking", "database"], "noted when it was back"


def test_without_the_database_pages_about_an_item_or_a_cart_are_answered_too(
    api: ApiClient, shop: Shop
) -> None:
    last = get(api, "item", item="C1", limit=4)
    get(api, "cart", items="K1", limit=4)
    with out("."):
        body = get(api, "item", item="C1", limit=4)
        assert body["fallbacks"] == ["page_items", "ranking", "database"]
        assert titles(body) == titles(last)
        cart = get(api, "cart", items="K1", limit=4)
        assert cart["fallbacks"] == ["page_items", "ranking", "database"]


def test_a_process_that_never_served_a_placement_answers_without_the_database(
    api: ApiClient, shop: Shop
) -> None:
    """Another process did: what it served lies in Valkey."""
    last = get(api, limit=4)
    for place in [place for place in settled._kept if place[2].startswith(("placement", "signal"))]:
        del settled._kept[place]
    last_resort._remembered.clear()
    with out("."):
        body = get(api, limit=4)
        never = get(api, "cart", limit=4)
    assert "database" in body["fallbacks"]
    assert titles(body) == titles(last)
    assert never["items"] == []


def test_what_is_remembered_is_the_latest_and_not_the_longest_forever(
    api: ApiClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Tent" in titles(get(api, limit=12))
    shop.camping[0].available = False
    shop.camping[0].save()
    now = time.monotonic() + 3_600
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert "Tent" not in titles(get(api, limit=12))
    with out("."):
        assert "Tent" not in titles(get(api, limit=12))


def test_an_item_without_reach_of_a_ranker_version_of_another_release_is_served(
    api: ApiClient, shop: Shop, shopper: Shopper
) -> None:
    RankerVersion.objects.update(params={"written": "by another release"})
    settled.unsettle()
    body = get(api, shopper="camper", limit=6)
    assert len(body["items"]) == 6


@pytest.mark.parametrize("history", [[["?"]], [[1, "view", "much", 1.0, 1, 1]], {}, [None]])
def test_a_state_that_cannot_be_read_is_no_reason_to_fail(
    api: ApiClient, shop: Shop, shopper: Shopper, history: Any
) -> None:
    ShopperState.stored.filter(shopper=shopper).update(history=history)
    body = get(api, shopper="camper", limit=6)
    assert len(body["items"]) == 6


# -- Valkey ---------------------------------------------------------------------------------------


@pytest.fixture
def no_valkey(api: ApiClient, settings: Any) -> None:
    """Every address of Valkey leads to a port where nobody listens."""
    found = settings.CACHES["default"]
    settings.CACHES = {"default": {**found, "LOCATION": "redis://127.0.0.1:9/0"}}


def test_without_valkey_slates_are_whole_and_noted_in_the_tables(
    api: ApiClient, shopper: Shopper, no_valkey: None
) -> None:
    with pytest.raises(Exception, match=r"refused|connect"):
        get_redis_connection("default").ping()
    assert cache.get("anything") is None
    body = get(api, shopper="camper", limit=6)
    assert body["fallbacks"] == []
    assert body["items"][0]["reason"]["text"] == "Because you bought Tent"
    decision = Decision.objects.get(pk=body["decision"])
    assert [item["title"] for item in decision.slate] == titles(body)
    assert Impression.objects.filter(decision=decision).count() == 6
    why = api.get(f"/api/v1/recommendations/{body['decision']}/why")
    assert why.status_code == 200
    assert why.json()["items"][0]["title"] == titles(body)[0]


def test_without_valkey_a_withdrawal_and_a_revocation_hold_at_once(
    api: ApiClient, shopper: Shopper, no_valkey: None
) -> None:

    assert get(api, shopper="camper")["personalized"] is True
    answer = api.put(
        "/api/v1/shoppers/camper/consents", {"personalization": False, "source": "account"}
    )
    assert answer.status_code == 200
    assert get(api, shopper="camper")["personalized"] is False
    for key in ApiKey.objects.all():
        revoke_key(key)
    assert api.get("/api/v1/recommendations", placement="home").status_code == 401


def test_without_valkey_events_are_taken_in(
    api: ApiClient, shopper: Shopper, no_valkey: None
) -> None:
    event = {"kind": "view", "shopper": "camper", "item": "K0"}
    assert api.post("/api/v1/events", {"events": [event]}).json()["stored"] == 1


def test_without_valkey_and_database_the_last_slate_is_served(
    api: ApiClient, shop: Shop, settings: Any, no_valkey: None
) -> None:
    last = get(api, limit=4)
    lost = counted(Fallback.DECISION_LOG)
    with out("."):
        body = get(api, limit=4, shopper="camper")
    assert body["fallbacks"] == ["shopper_state", "ranking", "database"]
    assert titles(body) == titles(last)
    assert counted(Fallback.DECISION_LOG) == lost + 1, "that it could not be noted is counted"


def test_decisions_that_were_buffered_are_written_once(api: ApiClient, shop: Shop) -> None:
    made = {get(api, limit=2)["decision"] for _ in range(5)}
    entries = get_redis_connection("default").lrange(buffer.key(), 0, -1)
    assert write_decisions() == 5
    assert write_decisions() == 0
    # A writer that was killed after its commit left them in the buffer.
    get_redis_connection("default").rpush(buffer.key(), *entries)
    write_decisions()
    assert {str(pk) for pk in Decision.objects.values_list("pk", flat=True)} == made
    assert Impression.objects.count() == 10
