"""How items sell: popularity, trend, momentum and repeats on counted examples."""

import numpy as np
import pytest

from recommendations.training.popularity import (
    item_facts,
    momentum,
    popularity,
    repeat_rate,
    takers,
    trend,
)
from tests.recommendations.logs import at_day, make_log

NOW = at_day(100)


def test_popularity_counts_each_shopper_once_and_by_the_best_thing_done() -> None:
    log = make_log(
        [
            *[(shopper, 1, 90.0, "purchase") for shopper in (1, 2)],
            (1, 1, 95.0, "purchase"),
            (1, 2, 90.0, "view"),
            (2, 3, 90.0, "view"),
            (2, 3, 91.0, "purchase"),
            (3, 4, 10.0, "purchase"),
            (3, 5, 99.0, "dwell"),
        ]
    )
    assert takers(log).tolist() == pytest.approx([2.0, 0.3, 1.0, 1.0, 0.0])
    assert popularity(log, now=NOW).tolist() == pytest.approx([1.0, 0.15, 0.5, 0.0, 0.0])


def test_trend_is_growth_over_a_usual_week_and_never_negative() -> None:
    log = make_log(
        [
            *[(shopper, 1, 99.0, "purchase") for shopper in range(6)],
            *[(shopper, 2, 99.0, "purchase") for shopper in range(3)],
            *[(shopper, 2, 80.0, "purchase") for shopper in range(3)],
            *[(shopper, 3, 80.0, "purchase") for shopper in range(9)],
        ]
    )
    assert trend(log, now=NOW).tolist() == pytest.approx([1.0, (3 - 1) / 6, 0.0])


def test_an_item_in_season_has_more_momentum_than_one_that_once_sold() -> None:
    log = make_log(
        [
            *[(shopper, 1, 97.0, "purchase") for shopper in range(40)],
            *[(shopper, 2, 30.0, "purchase") for shopper in range(40)],
            *[(shopper, 2, 97.0, "purchase") for shopper in range(40, 44)],
        ]
    )
    rising, fading = momentum(log, now=NOW).tolist()
    assert rising > 1.0 > fading > 0.0
    # Weighted by what sold lately, the average item has 1.
    assert (40 * rising + 4 * fading) / 44 == pytest.approx(1.0)


def test_items_that_are_bought_again_on_another_day_have_a_higher_repeat_rate() -> None:
    log = make_log(
        [
            *[(shopper, 1, day, "purchase") for shopper in range(30) for day in (10.0, 50.0)],
            *[(shopper, 2, day, "purchase") for shopper in range(30) for day in (10.0, 10.01)],
            *[(shopper, 3, day, "view") for shopper in range(30) for day in (10.0, 50.0)],
        ]
    )
    coffee, sofa, window_shopping = repeat_rate(log).tolist()
    assert coffee > 1.0 > sofa
    assert window_shopping == pytest.approx(1.0)  # nobody had it, so it is like the average


def test_where_nobody_comes_back_all_items_repeat_alike() -> None:
    log = make_log([(shopper, shopper % 3, 10.0, "purchase") for shopper in range(9)])
    assert repeat_rate(log).tolist() == [1.0, 1.0, 1.0]


def test_a_log_that_is_no_longer_fed_keeps_its_popular_items() -> None:
    log = make_log([(1, 1, 10.0, "purchase"), (2, 1, 11.0, "purchase"), (1, 2, 11.0, "purchase")])
    fresh, stale = item_facts(log, now=at_day(12)), item_facts(log, now=at_day(4_000))
    assert stale.popularity.tolist() == fresh.popularity.tolist() == [1.0, 0.5]
    assert stale.momentum.tolist() == fresh.momentum.tolist()


def test_facts_are_of_the_events_before_now_only() -> None:
    log = make_log([(1, 1, 10.0, "purchase"), (1, 2, 30.0, "purchase")])
    assert item_facts(log, now=at_day(20)).popularity.tolist() == [1.0, 0.0]
    nothing = item_facts(log, now=at_day(5))
    assert nothing.popularity.tolist() == nothing.trend.tolist() == [0.0, 0.0]
    assert nothing.momentum.tolist() == nothing.repeat_rate.tolist() == [1.0, 1.0]
    assert np.isfinite(nothing.repeat(0.5)).all()
