"""A browser's signal holds for its request, and for its shopper where the shop says so."""

from typing import Any

import pytest

from profiles.activity import takers_lately
from profiles.consent import consents_of, permitted_events
from profiles.models import ConsentChange, EventKind, PrivacyControl, Purpose, Shopper
from recommendations.placements import ensure_default_placements
from recommendations.search_models import Search
from recommendations.searching.log import write_searches
from tenants.models import Tenant
from tests.conftest import ApiClient
from tests.make import make_event, make_item, make_shopper
from tests.profiles.states import find_state, state_of
from tests.shop import Shop, planted_shop
from tests.staff import page_of, sign_in

HEADER = {"Sec-GPC": "1"}


def view(item: str, **more: Any) -> dict[str, Any]:
    return {"events": [{"kind": "view", "shopper": "s-1", "item": item, **more}]}


@pytest.fixture
def shop(api: ApiClient) -> Shop:
    return planted_shop()


@pytest.fixture
def shopper(shop: Shop) -> Shopper:
    shopper = make_shopper("s-1")
    make_event(shopper, shop.camping[0], EventKind.PURCHASE)
    return shopper


@pytest.mark.parametrize("way", ["header", "field"])
def test_a_request_with_the_signal_is_not_personalized_and_the_next_one_is(
    api: ApiClient, shopper: Shopper, way: str
) -> None:
    ensure_default_placements()
    path, query = "/api/v1/recommendations", "placement=home&shopper=s-1"
    assert api.request("GET", path, QUERY_STRING=query).json()["personalized"] is True
    if way == "header":
        answer = api.request("GET", path, QUERY_STRING=query, headers=HEADER)
    else:
        answer = api.request("GET", path, QUERY_STRING=f"{query}&gpc=true")
    assert answer.json()["personalized"] is False
    assert not any("You" in (i["reason"] or {}).get("text", "") for i in answer.json()["items"])
    assert api.request("GET", path, QUERY_STRING=query).json()["personalized"] is True
    assert not ConsentChange.objects.filter(granted=False).exists()


def test_a_search_with_the_signal_is_kept_without_its_shopper(
    api: ApiClient, shopper: Shopper
) -> None:
    api.put("/api/v1/shoppers/s-1/consents", {"analytics": True, "source": "t"})
    for headers in ({}, HEADER):
        api.request("GET", "/api/v1/search", QUERY_STRING="q=tent&shopper=s-1", headers=headers)
    write_searches()
    kept = Search.objects.order_by("searched_at").values_list("shopper", "personalized")
    assert [owner for owner, _ in kept] == [shopper.pk, None]
    assert [drawer is None for drawer in Search.objects.order_by("searched_at").values_list(
        "drawer", flat=True)] == [False, True]  # fmt: skip


@pytest.mark.parametrize("way", ["header", "field"])
def test_an_event_with_the_signal_is_stored_and_never_used(api: ApiClient, way: str) -> None:
    item = make_item("A")
    shopper = make_shopper("s-1")
    body = view("A", **({"gpc": True} if way == "field" else {}))
    headers = HEADER if way == "header" else {}
    assert api.request("POST", "/api/v1/events", body, headers=headers).json()["stored"] == 1
    assert permitted_events(Purpose.PERSONALIZATION).count() == 0
    assert permitted_events(Purpose.RESEARCH).count() == 0
    assert not state_of(shopper).history
    api.post("/api/v1/events", view(item.external_id))
    assert [signal.count for signal in state_of(shopper).history] == [1], "without it, as always"
    api.put("/api/v1/shoppers/s-1/consents", {"personalization": False, "source": "t"})
    api.put("/api/v1/shoppers/s-1/consents", {"personalization": True, "source": "t"})
    assert [signal.count for signal in state_of(shopper).history] == [1], "nor when rebuilt"


def test_what_sells_does_not_count_events_with_the_signal(api: ApiClient) -> None:
    from datetime import timedelta  # noqa: PLC0415

    from django.utils import timezone  # noqa: PLC0415

    make_item("A")
    make_shopper("s-1")
    window = {"window": timedelta(days=1), "half_life": timedelta(days=1)}
    api.post("/api/v1/events", view("A", gpc=True))
    assert takers_lately(timezone.now(), weights={"view": 1.0}, **window) == []
    api.post("/api/v1/events", view("A"))
    assert len(takers_lately(timezone.now(), weights={"view": 1.0}, **window)) == 1


def test_the_shop_says_which_purposes_the_signal_refuses(api: ApiClient, shopper: Shopper) -> None:
    PrivacyControl.objects.create(refuses=["marketing", "research"])
    answer = api.request(
        "GET", "/api/v1/recommendations", QUERY_STRING="placement=home&shopper=s-1", headers=HEADER
    )
    assert answer.json()["personalized"] is True
    item = make_item("B")
    api.post("/api/v1/events", view("B", gpc=True))
    assert item.pk in {signal.item for signal in state_of(shopper).history}
    assert permitted_events(Purpose.PERSONALIZATION).filter(item=item).count() == 1
    assert permitted_events(Purpose.RESEARCH).filter(item=item).count() == 0


def test_a_remembered_signal_withdraws_for_the_shopper(api: ApiClient, shopper: Shopper) -> None:
    PrivacyControl.objects.create(refuses=["personalization", "marketing"], remembers=True)
    make_item("B")
    api.post("/api/v1/events", view("B", gpc=True))
    assert consents_of(shopper)["personalization"] is False
    assert consents_of(shopper)["research"] is True
    assert find_state(shopper) is None
    change = ConsentChange.objects.get(purpose="personalization", granted=False)
    assert change.source == "Global Privacy Control"
    before = ConsentChange.objects.count()
    api.post("/api/v1/events", view("B", gpc=True))
    assert ConsentChange.objects.count() == before, "said twice is said once"


def test_staff_set_what_it_refuses_once(tenant: Tenant) -> None:
    staff = sign_in(tenant)
    for refuses in (["marketing"], ["analytics", "research"]):
        answer = staff.post(page_of(PrivacyControl, "add"), {"refuses": refuses})
        assert answer.status_code == 302
    assert PrivacyControl.objects.get().refuses == ["analytics", "research"]
