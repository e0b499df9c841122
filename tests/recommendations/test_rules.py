"""When a rule holds, and which shoppers a segment holds: both told without a database."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.signals import Signal
from recommendations.rules import (
    Circumstances,
    Condition,
    Guard,
    RuleKind,
    category_of,
)
from recommendations.segments import SEPARATOR, Budget, Segment, ShopperFacts, lies_in

SATURDAY = datetime(2026, 5, 2, 14, 0, tzinfo=UTC)
NOW = SATURDAY.timestamp()
DAY = 86_400.0
ANYWHERE = Circumstances()


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({}, True),
        ({"starts_at": SATURDAY}, True),
        ({"starts_at": SATURDAY + timedelta(seconds=1)}, False),
        ({"ends_at": SATURDAY}, False),
        ({"weekdays": frozenset({5})}, True),
        ({"weekdays": frozenset({0, 4})}, False),
        ({"from_hour": time(14), "to_hour": time(15)}, True),
        ({"from_hour": time(9), "to_hour": time(14)}, False),
        ({"from_hour": time(13)}, True),
        ({"to_hour": time(13)}, False),
        ({"from_hour": time(22), "to_hour": time(15)}, True),
        ({"from_hour": time(22), "to_hour": time(6)}, False),
        # Hours that pass midnight belong to the day on which they began.
        ({"from_hour": time(22), "to_hour": time(15), "weekdays": frozenset({4})}, True),
        ({"from_hour": time(22), "to_hour": time(15), "weekdays": frozenset({5})}, False),
    ],
)
def test_a_rule_holds_in_its_time(condition: dict[str, Any], *, holds: bool) -> None:
    assert Condition(**condition).holds(SATURDAY, ANYWHERE) is holds


@pytest.mark.parametrize(
    ("condition", "around", "holds"),
    [
        ({"query": "Winter boots"}, {"query": "warm BOOTS for winter"}, True),
        ({"query": "Winter boots"}, {"query": "boots"}, False),
        ({"query": "Winter boots"}, {}, False),
        ({"query": "winter boots", "whole_query": True}, {"query": " Winter  boots!"}, True),
        ({"query": "winter boots", "whole_query": True}, {"query": "boots winter"}, False),
        ({"device": "mobile"}, {"device": "mobile"}, True),
        ({"device": "mobile"}, {}, False),
        ({"countries": frozenset({"DE", "AT"})}, {"country": "at"}, True),
        ({"countries": frozenset({"DE"})}, {"country": "FR"}, False),
    ],
)
def test_a_rule_holds_where_the_request_is_what_it_asks_for(
    condition: dict[str, Any], around: dict[str, str], *, holds: bool
) -> None:
    assert Condition(**condition).holds(SATURDAY, Circumstances(**around)) is holds


def facts(**fields: Any) -> ShopperFacts:
    signals = [
        Signal(1, "purchase", 1.0, NOW - 40 * DAY, 1),
        Signal(2, "view", 1.0, NOW - DAY / 2, 1),
        Signal(3, "cart_item", 1.0, NOW - 90 * DAY, 1),
    ]
    paths = {1: f"Women{SEPARATOR}Shoes", 2: "Garden", 3: "Toys"}
    given: dict[str, Any] = {
        "signals": signals,
        "weights": [3.0, 1.0, 9.0],
        "paths": paths,
        "preferences": {"style": ["Sporty", "plain"], "size": 38.0},
        "traits": {"loyalty": "gold", "country": "de"},
    }
    return ShopperFacts(NOW, **{**given, **fields})


@pytest.mark.parametrize(
    ("segment", "holds"),
    [
        ({"visits": "returning"}, True),
        ({"visits": "new"}, False),
        ({"preference": "style", "preference_values": frozenset({"sporty"})}, True),
        ({"preference": "size", "preference_values": frozenset({"38"})}, True),
        ({"preference": "style", "preference_values": frozenset({"smart"})}, False),
        ({"preference": "color"}, False),
        ({"trait": "loyalty"}, True),
        ({"trait": "loyalty", "trait_values": frozenset({"silver"})}, False),
        ({"countries": frozenset({"DE"})}, True),
        ({"affinity": ("Shoes",), "affinity_share": 0.75}, True),
        ({"affinity": ("Shoes",), "affinity_share": 0.76}, False),
        ({"affinity": ("Toys",), "affinity_share": 0.01}, False),  # the cart is not the history
        ({"bought": ("Women", "Shoes")}, True),
        ({"bought": ("Women",), "bought_within": timedelta(days=30)}, False),
        ({"bought": ("Garden",)}, False),
        ({"visits": "returning", "bought": ("Garden",)}, False),
    ],
)
def test_a_segment_holds_those_of_whom_all_is_true(segment: dict[str, Any], *, holds: bool) -> None:
    assert Segment(1, "s", **segment).holds(facts()) is holds


def test_the_country_of_the_request_counts_before_the_one_the_shop_knows() -> None:
    assert not Segment(1, "s", countries=frozenset({"DE"})).holds(facts(country="fr"))


@pytest.mark.parametrize(
    ("preferences", "budget"),
    [
        ({"budget": 80}, Budget(80.0)),
        ({"max_price": "49.50 eur", "budget": 80}, Budget(49.5, "EUR")),
        ({"budget": "plenty"}, None),
        ({"budget": True}, None),
        ({"budget": -5}, None),
        ({"budget": "nan"}, None),
        ({"budget": ["80"]}, None),
        ({}, None),
    ],
)
def test_a_stated_budget_is_read_if_it_is_one(preferences: Any, budget: Budget | None) -> None:
    assert facts(preferences=preferences).budget == budget


def test_a_budget_hides_lowers_or_is_ignored_as_the_placement_says() -> None:
    shopper = facts(preferences={"budget": 80})
    kinds = {
        way: [rule.kind for rule in Guard(over_budget=way).rules(shopper)]
        for way in ("hide", "lower", "ignore")
    }
    assert kinds == {"hide": [RuleKind.EXCLUDE], "lower": [RuleKind.BURY], "ignore": []}
    assert Guard().rules(None) == ()


def test_the_usual_categories_are_the_fewest_that_hold_most_of_the_history() -> None:
    assert facts().usual_categories == {"Shoes", "Garden"}
    assert facts(weights=[9.0, 1.0, 1.0]).usual_categories == {"Shoes"}
    assert facts(signals=[], weights=[]).usual_categories == frozenset()


names = st.text(st.characters(exclude_characters=f">{SEPARATOR}"), min_size=1).filter(
    lambda name: name.strip() == name
)


@given(st.lists(names, min_size=1, max_size=5), st.data())
def test_a_category_is_a_part_of_the_path_in_one_piece(path: list[str], data: Any) -> None:
    start = data.draw(st.integers(0, len(path) - 1))
    end = data.draw(st.integers(start + 1, len(path)))
    joined = SEPARATOR.join(path)
    assert lies_in(joined, category_of(" > ".join(path[start:end])))
    assert not lies_in(joined, (*path, "more"))
