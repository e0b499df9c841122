"""Each placement answers its own question, and what takes away takes away exactly."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from profiles.identity import ShopperRef
from profiles.models import Event, EventKind
from profiles.signals import Signal
from profiles.state import rebuild_states
from recommendations.context import build_request
from recommendations.models import Placement
from recommendations.placements import DEFAULT_PLACEMENTS
from recommendations.recommend import ledgers_of, recommend
from recommendations.scoring import Blend, ScoringParams, signal_weight
from tests.conftest import ApiClient
from tests.make import make_event, make_shopper
from tests.shop import planted_shop

NOW = 1_700_000_000.0


def titles(placement: str, shopper: str | None = None, **asked: Any) -> list[str]:
    ref = None if shopper is None else ShopperRef(known=shopper)
    slate = recommend(build_request(placement, shopper=ref, **asked))
    assert slate.fallbacks == ()
    return [item.title for item in slate.items]


def score(placement: str, shopper: str, item: int, **asked: Any) -> float:
    request = build_request(placement, shopper=ShopperRef(known=shopper), **asked)
    return ledgers_of(request, [item])[item].score


def test_every_new_tenant_has_every_default_placement(api: ApiClient) -> None:
    titles("home")
    assert set(Placement.objects.values_list("code", flat=True)) == {
        code for code, _, _ in DEFAULT_PLACEMENTS
    }
    assert set(Placement.objects.values_list("question", flat=True)) == set(
        Placement.Question.values
    )


def test_buying_again_shows_what_the_shopper_has_and_nothing_else(api: ApiClient) -> None:
    shop = planted_shop()
    shopper = make_shopper("regular")
    assert titles("buy-again", "regular") == []
    for item in shop.camping[:2]:
        make_event(shopper, item, EventKind.PURCHASE)
    make_event(shopper, shop.kitchen[0], EventKind.VIEW)

    assert set(titles("buy-again", "regular")) == {"Tent", "Sleeping bag"}
    assert not {"Tent", "Sleeping bag"} & set(titles("home", "regular", limit=12))
    assert titles("buy-again") == []


def test_the_page_outweighs_a_long_history_of_something_else(api: ApiClient) -> None:
    shop = planted_shop()
    shopper = make_shopper("camper")
    for item in shop.camping[:5]:
        for days in (1, 2, 3):
            make_event(shopper, item, EventKind.PURCHASE, at=timezone.now() - timedelta(days=days))
    stockpot = shop.kitchen[3].external_id
    first = titles("item", "camper", item=stockpot, limit=2)
    assert set(first) <= {item.title for item in shop.kitchen}


def test_what_a_shopper_looks_at_today_outweighs_an_older_history(api: ApiClient) -> None:
    shop = planted_shop()
    shopper = make_shopper("camper")
    long_ago = timezone.now() - timedelta(days=40)
    make_event(shopper, shop.camping[0], EventKind.PURCHASE, at=long_ago)
    kitchen = {item.title for item in shop.kitchen}
    assert titles("home", "camper", limit=1) == ["Sleeping bag"]

    for item in shop.kitchen[:2]:
        make_event(shopper, item, EventKind.VIEW)
    assert set(titles("home", "camper", limit=2)) <= kitchen

    board = shop.kitchen[2].pk
    later = timezone.now() + timedelta(hours=6)
    assert score("home", "camper", board, now=later) < 0.5 * score("home", "camper", board)


def test_an_event_counts_for_the_visit_it_belongs_to_and_is_then_history() -> None:
    params, blend = ScoringParams(), Blend(session=3.0)
    seen = Signal(1, "view", strength=1.0, last_at=NOW, count=1)

    def weight(minutes: float, session: float) -> float:
        at = NOW + 60 * minutes
        return signal_weight(seen, now=at, params=params, blend=Blend(session=session))

    assert weight(0, 3.0) == pytest.approx(4 * weight(0, 0.0))
    assert weight(20, 3.0) - weight(20, 0.0) == pytest.approx(0.3 * 3.0 / 2)
    assert weight(24 * 60, 3.0) == pytest.approx(weight(24 * 60, 0.0))
    habit = Signal(1, "view", strength=30.0, last_at=NOW, count=30)
    old = signal_weight(habit, now=NOW, params=params)
    assert signal_weight(habit, now=NOW, params=params, blend=blend) == pytest.approx(old + 0.9)


def test_a_return_takes_away_what_the_purchase_gave(api: ApiClient) -> None:
    shop = planted_shop()
    shopper = make_shopper("undecided")
    tent, bag = shop.camping[:2]
    before = score("home", "undecided", bag.pk)
    make_event(shopper, tent, EventKind.PURCHASE, at=timezone.now() - timedelta(days=3))
    bought = score("home", "undecided", bag.pk)
    assert bought > before
    make_event(shopper, tent, EventKind.RETURN)
    assert score("home", "undecided", bag.pk) <= before
    assert score("buy-again", "undecided", tent.pk) < score("buy-again", "undecided", bag.pk)


def test_a_return_is_in_the_ledger_by_exactly_what_it_takes_away(api: ApiClient) -> None:
    shop = planted_shop()
    shopper = make_shopper("undecided")
    tent, bag = shop.camping[:2]
    make_event(shopper, tent, EventKind.PURCHASE, at=timezone.now() - timedelta(days=3))
    make_event(shopper, tent, EventKind.RETURN)
    now = timezone.now()
    for kind in ("return", "purchase"):
        request = build_request("home", shopper=ShopperRef(known="undecided"), now=now)
        ledger = ledgers_of(request, [bag.pk])[bag.pk]
        owed = sum(c.amount for c in ledger if c.signal.kind == kind)
        assert owed < 0 if kind == "return" else owed > 0
        Event.stored.filter(shopper=shopper, kind=kind).delete()
        rebuild_states([shopper.pk])
        without = build_request("home", shopper=ShopperRef(known="undecided"), now=now)
        after = ledgers_of(without, [bag.pk])[bag.pk].score
        assert after == pytest.approx(ledger.score - owed, abs=1e-12)


def test_what_went_from_the_cart_into_a_purchase_is_said_to_be_bought(api: ApiClient) -> None:
    shop = planted_shop()
    shopper = make_shopper("buyer")
    earlier = timezone.now() - timedelta(days=2)
    for _ in range(4):
        make_event(shopper, shop.camping[0], EventKind.ADD_TO_CART, at=earlier)
    request = build_request("home", shopper=ShopperRef(known="buyer"))
    [bag] = [i for i in recommend(request).items if i.title == "Sleeping bag"]
    assert bag.reason is not None
    assert bag.reason.text == "Because you put Tent in your cart"

    make_event(shopper, shop.camping[0], EventKind.PURCHASE, at=earlier)
    slate = recommend(build_request("home", shopper=ShopperRef(known="buyer")))
    [bag] = [i for i in slate.items if i.title == "Sleeping bag"]
    assert bag.reason is not None
    assert bag.reason.text == "Because you bought Tent"
    assert bag.ledger[bag.reason.cited[0]].amount > 0
