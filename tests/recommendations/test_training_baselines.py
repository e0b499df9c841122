"""The methods we are compared with are what their names say."""

import numpy as np
import pytest

from bench.baselines import (
    Known,
    basket_neighbors,
    bm25_neighbors,
    cosine_neighbors,
    ease,
    measure_baselines,
    most_popular,
    own_fading_history,
    own_history,
    recently_popular,
)
from recommendations.training.holdout import hold_out
from tests.recommendations.logs import at_day, log_of_tastes, make_log

LOG = make_log(
    [
        *[(1, item, 5.0, "purchase") for item in (1, 2)],
        (1, 1, 80.0, "purchase"),
        *[(2, item, 75.0, "purchase") for item in (1, 3)],
        *[(3, item, 20.0, "purchase") for item in (2, 3, 4)],
        (3, 1, 60.0, "purchase"),
        *[(shopper, 4, 101.0, "purchase") for shopper in (1, 2, 3) for _ in range(40)],
    ]
)
HOLDOUT = hold_out(LOG, split_at=at_day(100))
KNOWN = Known.of(LOG, HOLDOUT)
TAKEN = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]], dtype=float)


def test_popularity_counts_events_of_all_time_or_of_28_days() -> None:
    assert most_popular(KNOWN).tolist() == [[4.0, 2.0, 2.0, 1.0]] * 3
    assert recently_popular(KNOWN).tolist() == [[2.0, 0.0, 1.0, 0.0]] * 3


def test_own_history_counts_and_popularity_settles_ties() -> None:
    assert np.round(own_history(KNOWN)).tolist() == [[2, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]]
    assert np.argsort(-own_history(KNOWN)[2], kind="stable").tolist() == [0, 1, 2, 3]
    fading = own_fading_history(KNOWN)
    assert fading[0, 0] == pytest.approx(np.exp(-95 / 120) + np.exp(-20 / 120), abs=2e-4)


def test_cosine_is_over_sets_of_shoppers_without_the_item_itself() -> None:
    together = TAKEN.T @ TAKEN
    cosine = together / np.sqrt(np.outer(np.diag(together), np.diag(together)))
    np.fill_diagonal(cosine, 0.0)
    np.testing.assert_allclose(cosine_neighbors(KNOWN), TAKEN @ cosine, rtol=1e-5)


def test_bm25_weighs_rare_shoppers_and_short_items_up() -> None:
    length, basket = TAKEN.sum(axis=0), TAKEN.sum(axis=1)
    rarity = np.log(4) - np.log1p(basket)  # the items are the documents: there are four
    norm = 0.25 * (0.5 + 0.5 * length / length.mean())
    weighted = TAKEN * 1.25 / (norm + TAKEN) * rarity[:, None]
    products = weighted.T @ weighted
    np.fill_diagonal(products, 0.0)
    np.testing.assert_allclose(bm25_neighbors(KNOWN), TAKEN @ products, rtol=1e-5)


def test_basket_neighbors_share_a_moment_and_fade_with_the_history() -> None:
    scores = basket_neighbors(KNOWN)
    # Item 1 was in four baskets, item 2 in two, once together: cosine 1 / sqrt(8).
    expected = (np.exp(-95 / 90) + np.exp(-20 / 90)) / np.sqrt(8)
    assert scores[0, 1] == pytest.approx(expected, rel=1e-5)
    assert scores[0, 3] == pytest.approx(np.exp(-95 / 90) / np.sqrt(2), rel=1e-5)


def test_ease_solves_its_least_squares_problem() -> None:
    gram = TAKEN.T @ TAKEN + 300.0 * np.eye(4)
    learned = np.zeros((4, 4))
    for item in range(4):
        others = [other for other in range(4) if other != item]
        right = (TAKEN.T @ TAKEN)[others, item]
        learned[others, item] = np.linalg.solve(gram[np.ix_(others, others)], right)
    np.testing.assert_allclose(ease(KNOWN), TAKEN @ learned, rtol=1e-4)


def test_every_method_is_measured_and_own_history_not_on_new_items() -> None:
    log = log_of_tastes(repeats=True)
    holdout = hold_out(log, split_at=at_day(50))
    measured = dict(measure_baselines(log, holdout))
    assert {"own history by frequency", "most popular", "EASE"} <= measured.keys()
    assert len(measured) > 8
    for name, quality in measured.items():
        assert 0 < quality.all_items.recall <= 1
        assert quality.all_items.shoppers == len(holdout.shoppers)
        assert (quality.new_items is None) == name.startswith("own history")
    own = measured["own history by frequency"].all_items.ndcg
    assert own > measured["most popular"].all_items.ndcg
