"""Neighbors: what each way of learning them finds in logs whose answers are known."""

import numpy as np
import pytest
from scipy import sparse

from recommendations.training.neighbors import (
    MAX_VISIT_ITEMS,
    NeighborRecipe,
    interactions,
    learn_neighbors,
    strongest,
    with_momentum,
)
from tests.recommendations.logs import at_day, log_of_courses, log_of_tastes, make_log

NOW = at_day(90)
EASE = NeighborRecipe(method="ease", ridge=20.0)
IN_VISITS = NeighborRecipe(method="cooccurrence", window=0)
IN_ORDER = NeighborRecipe(method="cooccurrence", window=5)


def test_ease_is_its_closed_form_without_the_negative_weights() -> None:
    log = log_of_tastes(repeats=False)
    taken = interactions(log).toarray()
    inverse = np.linalg.inv(taken.T @ taken + 20.0 * np.eye(taken.shape[1]))
    expected = np.maximum(-inverse / np.diag(inverse), 0.0)
    np.fill_diagonal(expected, 0.0)

    learned = learn_neighbors(log, EASE, now=NOW, keep=len(expected), seed=1)
    np.testing.assert_allclose(learned.toarray(), expected, atol=1e-6)

    few = learn_neighbors(log, EASE, now=NOW, keep=5, seed=1).toarray()
    assert ((few > 0).sum(axis=1) <= 5).all()
    np.testing.assert_allclose(few.max(axis=1), expected.max(axis=1), atol=1e-6)


@pytest.mark.parametrize("recipe", [EASE, IN_ORDER], ids=["ease", "in order"])
def test_items_of_one_taste_are_neighbors(recipe: NeighborRecipe) -> None:
    log = log_of_tastes(repeats=False)
    pool = learn_neighbors(log, recipe, now=NOW, keep=40, seed=1)
    learned = with_momentum(pool, np.ones(len(log.item_ids)), keep=10)
    row, column = learned.nonzero()
    assert len(row) == 10 * len(log.item_ids)
    assert (row % 4 == column % 4).mean() > 0.99


@pytest.mark.parametrize("recipe", [EASE, IN_VISITS, IN_ORDER])
def test_no_item_is_its_own_neighbor_and_no_weight_is_negative(recipe: NeighborRecipe) -> None:
    log = make_log([(shopper, item, 1.0, "purchase") for shopper in range(9) for item in range(6)])
    learned = learn_neighbors(log, recipe, now=NOW, keep=6, seed=1)
    assert learned.nnz > 0
    assert (learned.data > 0).all()
    assert not learned.diagonal().any()


def test_order_tells_the_next_lesson_from_the_one_before() -> None:
    log = log_of_courses()
    pool = learn_neighbors(log, IN_ORDER, now=NOW, keep=40, seed=1)
    learned = with_momentum(pool, np.ones(len(log.item_ids)), keep=10)
    for lesson in range(20, 100):
        row = slice(learned.indptr[lesson], learned.indptr[lesson + 1])
        assert learned.indices[row][0] == lesson + 1
        assert learned[lesson, lesson + 1] > 1.5 * learned[lesson, lesson - 1] > 0


def test_a_basket_has_no_order_and_older_baskets_count_less() -> None:
    log = make_log(
        [
            *[(1, item, 0.0, "purchase") for item in (1, 2)],
            *[(2, item, 89.0, "purchase") for item in (1, 3)],
        ]
    )
    learned = learn_neighbors(log, IN_VISITS, now=NOW, keep=5, seed=1).toarray()
    np.testing.assert_allclose(learned, learned.T, rtol=1e-6)
    assert learned[0, 2] > learned[0, 1] > 0


def test_a_view_ties_items_less_than_a_purchase() -> None:
    log = make_log(
        [
            *[(1, item, 10.0, "purchase") for item in (1, 2)],
            *[(2, item, 10.0, "view") for item in (1, 3)],
        ]
    )
    taken = interactions(log).toarray()
    np.testing.assert_allclose(taken, [[1.0, 1.0, 0.0], [0.3, 0.0, 0.3]])
    learned = learn_neighbors(log, EASE, now=NOW, keep=5, seed=1).toarray()
    assert learned[0, 1] > learned[0, 2] > 0


def test_what_a_shopper_did_best_with_an_item_counts_once() -> None:
    log = make_log(
        [(1, 1, day, kind) for day in (1.0, 2.0, 3.0) for kind in ("view", "purchase", "search")]
    )
    assert interactions(log).toarray().tolist() == [[1.0]]


def test_a_wholesale_basket_is_sampled_the_same_way_each_time() -> None:
    log = make_log([(1, item, 10.0, "purchase") for item in range(3 * MAX_VISIT_ITEMS)])
    first = learn_neighbors(log, IN_VISITS, now=NOW, keep=1_000, seed=1)
    again = learn_neighbors(log, IN_VISITS, now=NOW, keep=1_000, seed=1)
    other = learn_neighbors(log, IN_VISITS, now=NOW, keep=1_000, seed=2)
    assert (np.diff(first.indptr) > 0).sum() == MAX_VISIT_ITEMS
    assert (first != again).nnz == 0
    assert (first != other).nnz > 0


def test_the_strongest_of_a_row_come_first_and_ties_go_to_the_lower_column() -> None:
    weights = sparse.csr_matrix(
        np.array([[0.1, 0.5, 0.5, 0.0, 0.9], [0.0, 0.0, 0.0, 0.0, 0.0], [0.2, 0.2, 0.2, 0.2, 0.2]])
    )
    kept = strongest(weights, 3)
    assert kept.indptr.tolist() == [0, 3, 3, 6]
    assert kept.indices.tolist() == [4, 1, 2, 0, 1, 2]
    assert kept.data.tolist() == pytest.approx([0.9, 0.5, 0.5, 0.2, 0.2, 0.2])


def test_momentum_decides_which_neighbors_are_kept_and_rows_add_up_to_one_on_average() -> None:
    pool = sparse.csr_matrix(np.array([[0.0, 0.4, 0.3], [0.2, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    still = with_momentum(pool, np.ones(3), keep=1)
    rising = with_momentum(pool, np.array([1.0, 1.0, 2.0]), keep=1)
    assert still.indices.tolist() == [1, 0]
    assert rising.indices.tolist() == [2, 0]
    for learned in (still, rising):
        assert learned.dtype == np.float32
        assert learned.sum() == pytest.approx(2.0)  # two rows have neighbors
