"""What was searched for counts in the next slates: exactly, as far as it may, and not for long."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_tenants.utils import schema_context

from catalog.search.indexing import update_index
from catalog.search.tenant_vocabulary import refresh_vocabulary
from profiles.consent import record_consent
from profiles.identity import ShopperRef
from profiles.models import Event, EventKind, Purpose, Shopper
from profiles.policy import set_signal_policy
from profiles.signals import SignalKind
from profiles.state import rebuild_states
from recommendations.context import build_request
from recommendations.recommend import ledgers_of, recommend
from recommendations.searched import left_after
from recommendations.values import RecommendationRequest, Slate
from tenants.settled import unsettle
from tests.conftest import ApiClient, TenantPair
from tests.make import make_event, make_item, make_shopper
from tests.shop import Shop, planted_shop


@pytest.fixture
def shop(api: ApiClient, index_dir: None) -> Shop:
    planted = planted_shop()
    refresh_vocabulary()
    update_index(anew=True)
    return planted


@pytest.fixture
def camper(shop: Shop) -> Shopper:
    """Has bought all the camping things but two, and looked at some."""
    shopper = make_shopper("camper")
    for item in shop.camping[:4]:
        make_event(shopper, item, EventKind.PURCHASE, at=timezone.now() - timedelta(days=20))
        make_event(shopper, item, EventKind.VIEW, at=timezone.now() - timedelta(days=1))
    return shopper


def search(shopper: Shopper, query: str, *, ago: timedelta = timedelta()) -> None:
    make_event(shopper, None, EventKind.SEARCH, at=timezone.now() - ago, query=query)


def request_of(shopper: Shopper, placement: str = "home", **asked: object) -> RecommendationRequest:
    ref = ShopperRef(known=shopper.external_id)
    return build_request(placement, shopper=ref, **asked)  # type: ignore[arg-type]


def home(shopper: Shopper, *, limit: int = 2) -> Slate:
    slate = recommend(request_of(shopper, limit=limit))
    assert slate.fallbacks == ()
    return slate


def titles(slate: Slate) -> list[str]:
    return [item.title for item in slate.items]


def test_a_search_of_the_visit_outweighs_the_history_and_the_reason_says_so(
    shop: Shop, camper: Shopper
) -> None:
    assert "Stockpot" not in titles(home(camper))
    search(camper, "stockpot")
    first = home(camper).items[0]
    assert first.title == "Stockpot"
    assert first.reason is not None
    assert first.reason.text == "You searched for “stockpot”"
    cited = first.ledger[first.reason.cited[0]].signal
    assert (cited.kind, cited.name, cited.item_id) == ("search", "stockpot", None)


def test_a_search_is_all_that_is_needed_of_a_new_shopper(shop: Shop) -> None:
    newcomer = make_shopper("newcomer")
    search(newcomer, "cutting board or chef's knife")
    slate = home(newcomer, limit=2)
    assert slate.personalized
    assert set(titles(slate)) == {"Cutting board", "Chef's knife"}


def test_without_a_search_the_score_falls_by_exactly_its_contribution(
    shop: Shop, camper: Shopper
) -> None:
    search(camper, "stockpot", ago=timedelta(minutes=7))
    everything = [item.pk for item in (*shop.camping, *shop.kitchen)]
    request = request_of(camper)
    before = ledgers_of(request, everything)
    owed = {
        item: sum(c.amount for c in ledger if c.signal.name == "stockpot")
        for item, ledger in before.items()
    }
    assert sum(amount > 0 for amount in owed.values()) >= 1

    Event.stored.filter(query="stockpot").delete()
    rebuild_states([camper.pk])
    after = ledgers_of(request_of(camper, now=request.now), everything)
    for item, ledger in before.items():
        assert after[item].score == pytest.approx(ledger.score - owed[item], abs=1e-12)


def test_a_search_is_used_as_consent_and_policy_allow(shop: Shop, camper: Shopper) -> None:
    search(camper, "stockpot")
    set_signal_policy(SignalKind.SEARCH, may_rank=True, may_cite=False)
    first = home(camper).items[0]
    assert first.title == "Stockpot"
    assert first.reason is None or first.reason.kind != "search"

    set_signal_policy(SignalKind.SEARCH, may_rank=False, may_cite=True)
    assert "Stockpot" not in titles(home(camper))
    set_signal_policy(SignalKind.SEARCH, may_rank=True, may_cite=True)
    assert titles(home(camper))[0] == "Stockpot"

    record_consent(camper, Purpose.PERSONALIZATION, granted=False, source="tests")
    assert not home(camper).personalized
    assert not any(signal.kind == "search" for signal in request_of(camper).signals)


def test_an_erased_shopper_has_searched_for_nothing(
    api: ApiClient, shop: Shop, camper: Shopper
) -> None:
    search(camper, "stockpot")
    assert titles(home(camper))[0] == "Stockpot"
    camper.delete()
    assert not request_of(camper).signals


def test_a_search_counts_at_home_and_in_mail_but_not_for_what_a_page_is_about(
    shop: Shop, camper: Shopper
) -> None:
    search(camper, "stockpot")

    def searched(placement: str, **asked: object) -> list[str | None]:
        request = request_of(camper, placement, **asked)
        return [signal.name for signal in request.signals if signal.kind == "search"]

    assert searched("home") == searched("email") == ["stockpot"]
    assert searched("item", item=shop.camping[0].external_id) == []
    assert searched("cart") == searched("search") == searched("buy-again") == []


def test_a_search_fades_within_the_visit_and_is_forgotten_after_a_week(
    shop: Shop, camper: Shopper
) -> None:
    assert left_after(0) == 1.0
    assert left_after(20 * 60) == pytest.approx(0.55, abs=0.001)
    assert left_after(24 * 3600) == pytest.approx(0.05)
    search(camper, "stockpot", ago=timedelta(days=8))
    assert "Stockpot" not in titles(home(camper))
    assert not any(signal.kind == "search" for signal in request_of(camper).signals)


def test_what_a_search_excludes_is_not_recommended_for_it(shop: Shop) -> None:
    for color in ("black", "red"):
        make_item(f"MUG-{color}", title="Enamel mug", attributes={"color": color})
    refresh_vocabulary()
    update_index()
    newcomer = make_shopper("newcomer")
    search(newcomer, "enamel mug, not black")
    [hint] = request_of(newcomer).hints
    found = dict(zip(hint.items.tolist(), hint.weights.tolist(), strict=True))
    mugs = {item.external_id: item.item_id for item in home(newcomer, limit=20).items}
    assert mugs["MUG-red"] in found
    assert mugs["MUG-black"] not in found


@pytest.mark.parametrize("query", ["qwxyz", "under 50", "!!!", "anna@example.com"])
def test_words_that_no_item_has_say_nothing(shop: Shop, query: str) -> None:
    newcomer = make_shopper("newcomer")
    search(newcomer, query)
    assert not any(hint.kind == "search" for hint in request_of(newcomer).hints)
    assert home(newcomer).fallbacks == ()


def test_searches_cost_six_statements_at_most_and_none_once_they_are_settled(
    shop: Shop, camper: Shopper
) -> None:
    search(camper, "tent")
    home(camper)  # what every search needs is settled from here on
    for query in ("stockpot", "whisk", "frying pan"):
        search(camper, query)

    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            home(camper)
        return len(queries)

    assert statements() <= 6
    assert statements() <= 4


def test_a_search_that_cannot_be_made_is_left_out_and_said_so(
    shop: Shop, camper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out(*args: object) -> None:
        raise DatabaseError("out")

    search(camper, "stockpot")
    monkeypatch.setattr("recommendations.searched.find", out)
    unsettle()
    slate = recommend(request_of(camper, limit=2))
    assert slate.fallbacks == ("shopper_state",)
    assert len(slate.items) == 2


def test_a_search_finds_what_the_shop_of_the_visit_has(
    shop: Shop, camper: Shopper, tenants: TenantPair
) -> None:
    search(camper, "stockpot")
    assert titles(home(camper))[0] == "Stockpot"
    with schema_context(tenants.theirs.schema_name):
        make_item("theirs", title="Enamel stockpot")
        update_index(anew=True)
        there = make_shopper("camper")
        assert not request_of(there).hints
        search(there, "stockpot")
        assert titles(home(there, limit=1)) == ["Enamel stockpot"]
    assert titles(home(camper))[0] == "Stockpot"
