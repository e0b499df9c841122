"""The generated history of the academy: lessons in their order, courses bought once."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from demo.course_catalog import academy_items, academy_listings
from demo.learning import academy_events
from demo.shoppers import academy_shoppers
from demo.timetable import WINDOW
from demo.values import DemoEvent

NOW = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)
MIDNIGHT = NOW.replace(hour=0, minute=0)
ITEMS = academy_items()
BY_ID = {item.external_id: item for item in ITEMS}
LEARNERS = academy_shoppers(7)


@pytest.fixture(scope="module")
def events() -> tuple[DemoEvent, ...]:
    return academy_events(ITEMS, LEARNERS, NOW, 7)


def test_there_are_over_10000_events_in_order_within_120_days(
    events: tuple[DemoEvent, ...],
) -> None:
    assert len(events) >= 10_000
    moments = [event.occurred_at for event in events]
    assert moments == sorted(moments)
    assert moments[0] >= MIDNIGHT - WINDOW
    assert MIDNIGHT - timedelta(days=1) < moments[-1] < MIDNIGHT


def test_the_same_seed_and_day_make_the_same_history(events: tuple[DemoEvent, ...]) -> None:
    assert academy_events(ITEMS, LEARNERS, NOW + timedelta(hours=3), 7) == events
    assert academy_events(ITEMS, LEARNERS, NOW, 8) != events


def test_events_are_about_known_items_and_learners(events: tuple[DemoEvent, ...]) -> None:
    assert {event.item for event in events} - {None} <= set(BY_ID)
    assert {event.shopper for event in events} <= {learner.external_id for learner in LEARNERS}


def test_what_is_free_is_not_bought_and_nothing_is_bought_twice(
    events: tuple[DemoEvent, ...],
) -> None:
    bought = Counter((e.shopper, e.item) for e in events if e.kind == "purchase")
    assert len(bought) > 500
    assert set(bought.values()) == {1}
    assert all(BY_ID[item or ""].price > 0 for _, item in bought)


def test_a_purchase_is_worth_its_price(events: tuple[DemoEvent, ...]) -> None:
    for event in events:
        if event.kind in {"purchase", "return"}:
            assert event.value == BY_ID[event.item or ""].price_now


def test_learners_take_the_lessons_of_a_track_in_their_order(
    events: tuple[DemoEvent, ...],
) -> None:
    place = {listing.item.external_id: listing for listing in academy_listings()}
    reached: Counter[tuple[str, str]] = Counter()
    in_order = jumps = 0
    for event in events:
        if event.kind != "view" or BY_ID[event.item or ""].kind != "lesson":
            continue
        listing = place[event.item or ""]
        track = (event.shopper, listing.track.shelf)
        in_order += listing.position <= reached[track] + 1
        jumps += listing.position > reached[track] + 1
        reached[track] = max(reached[track], listing.position)
    # Views left out to make the number round look like jumps.
    assert in_order > 10 * jumps


def test_learners_look_at_the_subjects_they_like(events: tuple[DemoEvent, ...]) -> None:
    musicians = {
        learner.external_id
        for learner in LEARNERS
        if sum(w for path, w in learner.taste.interests.items() if path[0] == "Music") > 0.4
    }
    assert len(musicians) > 10

    def share_of_music(some: list[DemoEvent]) -> float:
        about = [BY_ID[event.item].category_path[0] for event in some if event.item]
        return about.count("Music") / len(about)

    theirs = share_of_music([event for event in events if event.shopper in musicians])
    assert theirs > 2.5 * share_of_music(list(events))
