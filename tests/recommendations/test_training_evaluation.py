"""Measuring lists: recall, nDCG and coverage by hand, and what is held out."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from recommendations.training.evaluation import list_quality, shopper_quality, top_items
from recommendations.training.holdout import hold_out
from tests.recommendations.logs import at_day, make_log


def test_recall_is_capped_and_ndcg_discounts_by_rank() -> None:
    taken = sparse.csr_matrix(np.array([[1, 0, 0, 1, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]]))
    lists = np.array([[1, 0, 3], [0, 1, 2], [0, 1, 2]])
    recall, ndcg = shopper_quality(lists, taken, k=3)
    assert recall.tolist() == pytest.approx([1.0, 1.0])  # 5 taken, but a list of 3 holds 3
    ideal = 1 + 1 / math.log2(3)
    assert ndcg.tolist() == pytest.approx([(1 / math.log2(3) + 1 / 2) / ideal, 1.0])

    quality = list_quality(lists, taken, k=3)
    assert quality.shoppers == 2  # the third took nothing
    assert quality.recall == pytest.approx(1.0)
    assert quality.coverage == pytest.approx(4 / 5)


def test_a_list_shorter_than_k_misses_what_it_does_not_hold() -> None:
    taken = sparse.csr_matrix(np.array([[1, 1, 0]]))
    recall, _ = shopper_quality(np.array([[0, 2]]), taken, k=20)
    assert recall.tolist() == [0.5]


SCORES = st.integers(0, 2**32).map(
    lambda seed: np.random.default_rng(seed).choice(
        np.array([-np.inf, -1.5, -0.0, 0.0, 1e-30, 0.3, 7.0], dtype=np.float32), size=(4, 9)
    )
)


@given(SCORES, st.integers(1, 12))
def test_top_items_are_those_of_a_stable_sort(scores: np.ndarray, k: int) -> None:
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert top_items(scores, k).tolist() == expected.tolist()


def test_only_shoppers_known_before_the_split_are_held_out() -> None:
    log = make_log(
        [
            *[(1, item, 1.0, "purchase") for item in (1, 2)],
            *[(1, item, 11.0, "purchase") for item in (2, 3)],
            *[(2, item, 11.0, "purchase") for item in (1, 3)],
            (3, 4, 1.0, "purchase"),
            *[(4, 1, 1.0 + day, "view") for day in range(12)],
            *[(9, item, 12.0, "purchase") for item in range(1, 100)],
        ]
    )
    holdout = hold_out(log, split_at=at_day(10))
    assert log.shopper_ids[holdout.shoppers].tolist() == [1]
    assert log.item_ids[holdout.taken.indices].tolist() == [2, 3]
    assert log.item_ids[holdout.taken_new.indices].tolist() == [3]
    assert log.item_ids[holdout.had.indices].tolist() == [1, 2]


def test_without_enough_purchases_every_kind_that_ranks_is_held_out() -> None:
    events = [(1, 1, 1.0, "view"), (1, 2, 11.0, "view"), (1, 3, 11.0, "dwell")]
    holdout = hold_out(make_log(events), split_at=at_day(10))
    assert holdout.taken.sum() == 1  # how long a look took ranks nothing

    bought = [(2, item, 11.0, "purchase") for item in range(100)]
    holdout = hold_out(make_log([*events, (2, 1, 1.0, "purchase"), *bought]), split_at=at_day(10))
    assert len(holdout.shoppers) == 1
    assert holdout.taken.sum() == 100


def test_the_histories_of_the_held_out_end_at_the_split() -> None:
    log = make_log([(1, item, float(item), "purchase") for item in range(1, 200)])
    holdout = hold_out(log, split_at=at_day(50))
    assert log.item_ids[holdout.histories.item].tolist() == list(range(1, 50))
    assert holdout.histories.last_at.max() < at_day(50)
    assert log.item_ids[holdout.taken.indices].tolist() == list(range(50, 200))
