"""A shopper says not to use a signal: gone from the next slate, prepared or not, and undone."""

from typing import Any

import pytest
from django.utils import timezone

from profiles.consent import record_consent
from profiles.identity import ShopperRef, ensure_shoppers, find_shopper
from profiles.ingest import record_events
from profiles.models import EventKind, Purpose, Shopper
from profiles.mutes import MOST_MUTES, mute
from recommendations.feedback import write_decisions
from recommendations.models import Decision
from tests.conftest import ApiClient
from tests.make import make_event, make_shopper
from tests.shop import Shop, planted_shop

MUTES = "/api/v1/shoppers/camper/mutes"
SIGNALS = "/api/v1/shoppers/camper/signals"


@pytest.fixture
def shop(api: ApiClient) -> Shop:
    return planted_shop()


@pytest.fixture
def camper(shop: Shop) -> Shopper:
    shopper = make_shopper("camper")
    make_event(shopper, shop.camping[0], EventKind.PURCHASE)
    make_event(shopper, shop.camping[3], EventKind.VIEW)
    return shopper


def slate(api: ApiClient) -> dict[str, Any]:
    body: dict[str, Any] = api.get(
        "/api/v1/recommendations", placement="home", shopper="camper", limit=4
    ).json()
    write_decisions()
    return body


def used(api: ApiClient) -> set[tuple[str, str]]:
    """Kind and item of every signal in the ledgers of the next slate."""
    decision = Decision.objects.get(pk=slate(api)["decision"])
    return {
        (line["signal"]["kind"], line["signal"]["item"])
        for item in decision.slate
        for line in item["contributions"]
        if line["signal"]["item"]
    }


@pytest.mark.parametrize(
    "said", [{"kind": "purchase", "item": "C0"}, {"kind": "purchase"}, {"item": "C0"}]
)
def test_a_muted_signal_is_gone_from_the_next_slate_and_back_when_undone(
    api: ApiClient, camper: Shopper, said: dict[str, str]
) -> None:
    assert ("purchase", "C0") in used(api)
    assert Decision.objects.get(pk=slate(api)["decision"]).context.get("prepared")
    told = api.post(MUTES, said).json()
    assert [m["kind"] for m in told["mutes"]] == [said.get("kind", "")]
    after = used(api)
    assert ("purchase", "C0") not in after
    assert ("view", "C3") in after, "the others are used as before"
    assert not any("Tent" in str(item["reason"]) for item in slate(api)["items"])
    assert api.request("DELETE", MUTES, said).json()["mutes"] == []
    assert ("purchase", "C0") in used(api)


def test_a_preference_is_muted_by_its_name(api: ApiClient, camper: Shopper) -> None:
    api.put("/api/v1/shoppers/camper", {"preferences": {"category": "Kitchen"}})
    assert "You prefer category Kitchen" in str(slate(api))
    api.post(MUTES, {"kind": "preference", "name": "category Kitchen"})
    assert "You prefer" not in str(slate(api))


def test_signals_tell_what_is_read_and_what_it_may_do(api: ApiClient, camper: Shopper) -> None:
    api.put("/api/v1/shoppers/camper", {"preferences": {"brand": "Acme"}})
    api.post(MUTES, {"kind": "view", "item": "C3"})
    told = api.get(SIGNALS).json()
    assert told["personalization"] is True
    by_kind = {signal["kind"]: signal for signal in told["signals"]}
    assert (by_kind["purchase"]["item"], by_kind["purchase"]["title"]) == ("C0", "Tent")
    assert 0.9 < by_kind["purchase"]["strength"] <= 1
    assert (by_kind["purchase"]["muted"], by_kind["view"]["muted"]) == (False, True)
    assert by_kind["preference"]["name"] == "brand Acme"
    assert all(signal["may_rank"] and signal["may_cite"] for signal in told["signals"])
    assert [(m["kind"], m["item"]) for m in told["mutes"]] == [("view", "C3")]


def test_nothing_is_told_that_may_not_be_read(api: ApiClient, camper: Shopper) -> None:
    api.post(MUTES, {"kind": "view"})
    record_consent(camper, Purpose.PERSONALIZATION, granted=False, source="t")
    told = api.get(SIGNALS).json()
    assert (told["personalization"], told["signals"]) == (False, [])
    assert len(told["mutes"]) == 1, "what the shopper said stays said"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({}, "invalid_input"),
        ({"kind": "telepathy"}, "invalid_input"),
        ({"item": "nowhere"}, "unknown_item"),
        ({"kind": "preference", "item": "C0", "name": "x"}, "invalid_input"),
        ({"name": "x"}, "invalid_input"),
        ({"kind": "preference", "name": "a\x00b"}, "invalid_input"),
    ],
)
def test_a_mute_that_says_nothing_true_is_refused(
    api: ApiClient, camper: Shopper, said: dict[str, str], code: str
) -> None:
    answer = api.post(MUTES, said)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert api.get(SIGNALS).json()["mutes"] == []


def test_saying_it_twice_is_saying_it_once_and_there_is_a_most(
    api: ApiClient, camper: Shopper
) -> None:
    for _ in range(2):
        assert len(api.post(MUTES, {"kind": "view"}).json()["mutes"]) == 1
    camper.muted = [["preference", None, f"n{n}", 0.0] for n in range(MOST_MUTES)]
    camper.save()
    assert api.post(MUTES, {"kind": "view"}).json()["code"] == "too_many_mutes"


def test_what_a_device_muted_stays_muted_when_it_becomes_known(
    api: ApiClient, camper: Shopper
) -> None:
    api.post(MUTES, {"kind": "view"})
    record_events([{"kind": "wishlist", "anonymous": "tablet", "item": "C1"}])
    device = find_shopper(ShopperRef(anonymous="tablet"))
    assert device is not None
    for kind, item in (("", "C1"), ("view", None)):
        mute(device, kind=kind, item=item, name=None, now=timezone.now())
    ensure_shoppers([ShopperRef(known="camper", anonymous="tablet")])
    told = api.get(SIGNALS).json()
    assert [(each["kind"], each["item"]) for each in told["mutes"]] == [("", "C1"), ("view", None)]
    assert {s["kind"] for s in told["signals"] if s["muted"]} == {"view", "wishlist"}
    assert not used(api) & {("wishlist", "C1"), ("view", "C3")}
