"""The generated history of the shop: in order, in the window, and true to tastes."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import numpy as np
import pytest

from demo.companions import companions
from demo.product_types import product_types
from demo.shop_catalog import shop_items
from demo.shoppers import shop_shoppers
from demo.shopping import shop_events
from demo.timetable import WINDOW
from demo.values import DemoEvent

NOW = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)
MIDNIGHT = NOW.replace(hour=0, minute=0)
ITEMS = shop_items()
BY_ID = {item.external_id: item for item in ITEMS}
SHOPPERS = shop_shoppers(7)


@pytest.fixture(scope="module")
def events() -> tuple[DemoEvent, ...]:
    return shop_events(ITEMS, SHOPPERS, NOW, 7)


def test_there_are_60000_events_in_order_within_120_days(events: tuple[DemoEvent, ...]) -> None:
    assert len(events) == 60_000
    moments = [event.occurred_at for event in events]
    assert moments == sorted(moments)
    assert MIDNIGHT - WINDOW <= moments[0] < MIDNIGHT - WINDOW + timedelta(days=1)
    assert MIDNIGHT - timedelta(days=1) < moments[-1] < MIDNIGHT
    assert {moment.tzinfo for moment in moments} == {UTC}


def test_the_same_seed_and_day_make_the_same_history() -> None:
    few = SHOPPERS[:200]
    history = shop_events(ITEMS, few, NOW, 7, count=4_000)
    assert shop_events(ITEMS, few, NOW + timedelta(hours=9), 7, count=4_000) == history
    in_tokyo = NOW.astimezone(timezone(timedelta(hours=9)))
    assert shop_events(ITEMS, few, in_tokyo, 7, count=4_000) == history
    assert shop_events(ITEMS, few, NOW, 8, count=4_000) != history
    tomorrow = shop_events(ITEMS, few, NOW + timedelta(days=1), 7, count=4_000)
    assert tomorrow[-1].occurred_at > history[-1].occurred_at


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        shop_events(ITEMS, SHOPPERS[:50], NOW.replace(tzinfo=None), 7, count=100)


def test_events_are_about_known_items_and_shoppers(events: tuple[DemoEvent, ...]) -> None:
    assert {event.shopper for event in events} <= {shopper.external_id for shopper in SHOPPERS}
    assert {event.item for event in events} - {None} == set(BY_ID)
    never_came = {shopper.external_id for shopper in SHOPPERS if not shopper.taste.visits}
    assert not never_came & {event.shopper for event in events}


def test_every_kind_of_event_occurs_and_says_what_it_must(events: tuple[DemoEvent, ...]) -> None:
    assert {event.kind for event in events} == {
        "search", "view", "add_to_cart", "remove_from_cart", "wishlist",
        "purchase", "return", "dismiss", "rating", "review",
    }  # fmt: skip
    for event in events:
        assert (event.item is None) == (event.kind == "search") == (event.query is not None)
        assert (event.quantity is not None) == (
            event.kind in {"add_to_cart", "remove_from_cart", "purchase", "return"}
        )
        assert (event.rating is not None) == (event.kind in {"rating", "review"})
        assert (event.text is not None) == (event.kind == "review")
        assert event.rating is None or 1 <= event.rating <= 5


def test_a_purchase_is_worth_its_price_times_its_quantity(events: tuple[DemoEvent, ...]) -> None:
    for event in events:
        if event.kind in {"purchase", "return"}:
            assert event.item is not None
            assert event.quantity is not None
            assert event.value == BY_ID[event.item].price_now * event.quantity
        else:
            assert event.value is None


def test_a_purchase_follows_a_cart_of_the_same_session(events: tuple[DemoEvent, ...]) -> None:
    in_cart: set[tuple[str, str | None]] = set()
    for event in events:
        if event.kind == "add_to_cart":
            in_cart.add((event.session, event.item))
        elif event.kind == "purchase":
            assert (event.session, event.item) in in_cart


def test_what_is_sent_back_or_reviewed_was_bought_before(events: tuple[DemoEvent, ...]) -> None:
    bought: set[tuple[str, str | None]] = set()
    for event in events:
        if event.kind == "purchase":
            bought.add((event.shopper, event.item))
        elif event.kind in {"return", "rating", "review"}:
            assert (event.shopper, event.item) in bought


def test_a_session_belongs_to_one_shopper_and_ends_on_its_day(
    events: tuple[DemoEvent, ...],
) -> None:
    sessions: dict[str, set[tuple[str, object]]] = {}
    for event in events:
        sessions.setdefault(event.session, set()).add((event.shopper, event.occurred_at.date()))
    assert len(sessions) > 8_000
    assert all(len(session) == 1 for session in sessions.values())


def test_outdoor_people_look_at_outdoor_things_more_than_others(
    events: tuple[DemoEvent, ...],
) -> None:
    def outdoor_interest(shopper: int) -> float:
        interests = SHOPPERS[shopper].taste.interests.items()
        return sum(weight for path, weight in interests if path[0] == "Outdoor & Camping")

    ranked = sorted(range(len(SHOPPERS)), key=outdoor_interest)
    outdoor_people = {SHOPPERS[index].external_id for index in ranked[-200:]}
    theirs = _share_outdoors(event for event in events if event.shopper in outdoor_people)
    everyones = _share_outdoors(events)
    assert theirs > 2.5 * everyones


def test_liked_brands_are_looked_at_more_often_than_chance_has_it(
    events: tuple[DemoEvent, ...],
) -> None:
    brands = {shopper.external_id: shopper.taste.brands for shopper in SHOPPERS}
    viewed = [e for e in events if e.kind == "view" and e.item is not None]
    liked = sum(BY_ID[e.item or ""].brand in brands[e.shopper] for e in viewed)
    shuffled = np.random.default_rng(1).permutation([e.shopper for e in viewed])
    by_chance = sum(
        BY_ID[e.item or ""].brand in brands[str(other)]
        for e, other in zip(viewed, shuffled, strict=True)
    )
    assert liked > 1.5 * by_chance


def test_companions_are_bought_together_more_often_than_other_items(
    events: tuple[DemoEvent, ...],
) -> None:
    index = {item.external_id: position for position, item in enumerate(ITEMS)}
    fit = companions(ITEMS)
    baskets: dict[str, list[int]] = {}
    for event in events:
        if event.kind == "purchase" and event.item:
            baskets.setdefault(event.session, []).append(index[event.item])
    pairs = [(one, two) for basket in baskets.values() for one, two in pairwise(basket)]
    assert len(pairs) > 1_000
    share = sum(two in fit[one] for one, two in pairs) / len(pairs)
    assert share > 0.4  # by chance it would be one in a hundred


def test_consumables_are_bought_again_and_tents_are_not(events: tuple[DemoEvent, ...]) -> None:
    used_up = {
        kind.path for kind in product_types() if all(model.lasts_days for model in kind.models)
    }
    bought = Counter(
        (event.shopper, event.item) for event in events if event.kind == "purchase" and event.item
    )
    again = {BY_ID[item].category_path for (_, item), times in bought.items() if times > 1}
    assert again
    kept = {
        kind.path for kind in product_types() if not any(model.lasts_days for model in kind.models)
    }
    assert len(again & used_up) > 10
    assert not again & kept


def test_popularity_has_a_long_tail(events: tuple[DemoEvent, ...]) -> None:
    views = sorted(Counter(event.item for event in events if event.kind == "view").values())
    top = sum(views[-len(views) // 10 :]) / sum(views)
    assert 0.2 < top < 0.6


def test_some_items_are_trending_in_the_last_week(events: tuple[DemoEvent, ...]) -> None:
    week = MIDNIGHT - timedelta(days=7)
    lately = Counter(e.item for e in events if e.kind == "view" and e.occurred_at >= week)
    before = Counter(e.item for e in events if e.kind == "view" and e.occurred_at < week)
    weeks_before = (WINDOW - timedelta(days=7)) / timedelta(days=7)
    surging = [
        item for item, count in lately.items() if count > 4 * (before[item] / weeks_before + 1)
    ]
    assert 5 <= len(surging) <= 40


def test_things_for_a_season_sell_better_in_it() -> None:
    few = SHOPPERS[:400]
    winter = shop_events(ITEMS, few, datetime(2026, 2, 15, tzinfo=UTC), 7, count=8_000)
    summer = shop_events(ITEMS, few, datetime(2026, 9, 1, tzinfo=UTC), 7, count=8_000)
    assert _views_in_season(winter, month=1) > 1.3 * _views_in_season(summer, month=1)
    assert _views_in_season(summer, month=7) > 1.3 * _views_in_season(winter, month=7)


def _share_outdoors(events: Iterable[DemoEvent]) -> float:
    about = [BY_ID[event.item] for event in events if event.item]
    return sum(item.category_path[0] == "Outdoor & Camping" for item in about) / len(about)


def _views_in_season(events: tuple[DemoEvent, ...], *, month: int) -> int:
    """Views of things that have their season in a month."""
    paths = {kind.path for kind in product_types() if month in kind.season}
    viewed = [BY_ID[event.item].category_path for event in events if event.item]
    return sum(path in paths for path in viewed)
