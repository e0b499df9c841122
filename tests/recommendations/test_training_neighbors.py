"""Neighbors: what counting finds in logs whose answers are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recommendations.training.counting import GRAIN, Kernel, count_blocks, count_pairs
from recommendations.training.log import InteractionLog
from recommendations.training.neighbors import (
    NeighborRecipe,
    count_log,
    cut,
    damped,
    leading,
    log_sequences,
    pool_of,
    strongest,
    weigh,
    with_momentum,
)
from recommendations.training.sequences import Sequences, in_order
from tests.recommendations.logs import at_day, log_of_courses, log_of_tastes, make_log

NOW = at_day(90)
EVEN = NeighborRecipe(evenness=1.0)


def learned_from(
    log: InteractionLog, recipe: NeighborRecipe, *, now: float, keep: int, seed: int
) -> sparse.csr_matrix:
    return pool_of(count_log(log, recipe, now=now, seed=seed), recipe, keep=keep)


EVENTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 6)), max_size=40)


def sequences_of(events: list[tuple[int, int, int]], *, weight: float = 1.0) -> Sequences:
    columns = np.array(events, dtype=np.int64).reshape(-1, 3).T
    return in_order(
        columns[0],
        columns[1],
        columns[2],
        shoppers=5,
        items=6,
        seed=3,
        weight=np.full(len(events), weight, dtype=np.float32),
    )


def nearest_grain(value: float) -> float:
    return round(value / GRAIN) * GRAIN


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.integers(1, 5), st.sampled_from([0.0, 0.5, 1.0]))
def test_pairs_are_counted_as_if_one_by_one(
    events: list[tuple[int, int, int]], reach: int, decay: float
) -> None:
    kernel = Kernel(reach=reach, decay=decay, backward=0.5)
    sequences = sequences_of(events, weight=0.5)
    expected = np.zeros((6, 6))
    for shopper in range(5):
        items = sequences.item[sequences.starts[shopper] : sequences.starts[shopper + 1]].tolist()
        for first, earlier in enumerate(items):
            for apart, later in enumerate(items[first + 1 : first + 1 + reach], start=1):
                if earlier != later:
                    expected[earlier, later] += 0.25 * nearest_grain(apart**-decay)
                    expected[later, earlier] += 0.25 * nearest_grain(0.5 * apart**-decay)
    np.testing.assert_array_equal(count_pairs(sequences, kernel).toarray(), expected)
    blocks = [block for _, block in count_blocks(sequences, kernel, block_pairs=1)]
    if blocks:
        np.testing.assert_array_equal(sparse.vstack(blocks).toarray(), expected)


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.randoms(use_true_random=False))
def test_the_order_of_the_log_does_not_change_the_sequences(
    events: list[tuple[int, int, int]], random: object
) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first, again = sequences_of(events), sequences_of(shuffled)
    assert first.item.tolist() == again.item.tolist()
    assert first.starts.tolist() == again.starts.tolist()
    assert len(first) == len(set(events))


def test_what_shares_a_moment_has_another_order_for_each_shopper_and_seed() -> None:
    shopper, item = np.repeat(np.arange(40), 20), np.tile(np.arange(20), 40)
    at = np.zeros(800, dtype=np.int64)
    orders = {
        seed: in_order(shopper, item, at, shoppers=40, items=20, seed=seed).item.reshape(40, 20)
        for seed in (1, 2)
    }
    assert len({tuple(row) for row in orders[1].tolist()}) == 40
    assert (orders[1] == orders[2]).mean() < 0.15
    # Each item comes first about as often as any other.
    positions = np.argsort(orders[1], axis=1).mean(axis=0)
    assert np.abs(positions - 9.5).max() < 4


def test_times_too_far_apart_for_one_sort_key_are_ordered_too() -> None:
    sequences = in_order(
        np.array([1, 0, 1]),
        np.array([0, 1, 2]),
        np.array([2**61, 5, -(2**61)]),
        shoppers=2,
        items=3,
        seed=1,
    )
    assert sequences.item.tolist() == [1, 2, 0]


@pytest.mark.parametrize("recipe", [EVEN, NeighborRecipe(decay=0.0, evenness=0.0)])
def test_items_of_one_taste_are_neighbors(recipe: NeighborRecipe) -> None:
    log = log_of_tastes(repeats=False)
    pool = learned_from(log, recipe, now=NOW, keep=40, seed=1)
    learned = with_momentum(pool, np.ones(len(log.item_ids)), keep=10)
    row, column = learned.nonzero()
    assert len(row) == 10 * len(log.item_ids)
    assert (row % 4 == column % 4).mean() > 0.99


def test_no_item_is_its_own_neighbor_and_no_weight_is_negative() -> None:
    log = make_log([(shopper, item, 1.0, "purchase") for shopper in range(9) for item in range(6)])
    learned = learned_from(log, NeighborRecipe(), now=NOW, keep=6, seed=1)
    assert learned.nnz > 0
    assert (learned.data > 0).all()
    assert not learned.diagonal().any()


def test_order_tells_the_next_lesson_from_the_one_before() -> None:
    log = log_of_courses()
    pool = learned_from(log, NeighborRecipe(backward=0.5), now=NOW, keep=40, seed=1)
    learned = with_momentum(pool, np.ones(len(log.item_ids)), keep=10)
    for lesson in range(20, 100):
        row = slice(learned.indptr[lesson], learned.indptr[lesson + 1])
        assert learned.indices[row][0] == lesson + 1
        assert learned[lesson, lesson + 1] > 1.5 * learned[lesson, lesson - 1] > 0


def test_older_baskets_count_less_and_a_view_less_than_a_purchase() -> None:
    log = make_log(
        [
            *[(1, item, 0.0, "purchase") for item in (1, 2)],
            *[(2, item, 89.0, "purchase") for item in (1, 3)],
            *[(3, item, 89.0, "view") for item in (1, 4)],
            (4, 1, 89.0, "dwell"),
        ]
    )
    recipe = NeighborRecipe(backward=1.0, damping=0.0, sharpness=1.0, half_life_days=30.0)
    learned = learned_from(log, recipe, now=NOW, keep=5, seed=1).toarray()
    assert learned[0, 2] > learned[0, 3] > 0
    assert learned[0, 1] == pytest.approx(learned[0, 2] * 2 ** (-89 / 30), rel=1e-5)
    assert learned[0, 3] == pytest.approx(learned[0, 2] * 0.3**2, rel=1e-5)
    sequences = log_sequences(log, half_life_days=30.0, now=NOW, seed=1)
    assert len(sequences) == len(log) - 1  # how long a look took ranks nothing


def test_sharpness_raises_weights_to_a_power_and_leaves_their_order() -> None:
    log = log_of_courses()
    plain, sharp = (
        learned_from(log, NeighborRecipe(sharpness=power), now=NOW, keep=40, seed=1)
        for power in (1.0, 2.0)
    )
    assert sharp.indices.tolist() == plain.indices.tolist()
    np.testing.assert_allclose(sharp.data, plain.data**2, rtol=1e-5)


def test_popular_items_are_damped_and_rows_made_even() -> None:
    counts = sparse.csr_matrix(np.array([[0.0, 8.0, 2.0], [4.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    factor = damped(np.array([1.0, 5.0, 0.0]), 1.0)
    np.testing.assert_allclose(factor, [1 / 4, 1 / 8, 1 / 3])
    np.testing.assert_allclose(
        weigh(counts, factor, evenness=0.0).toarray(),
        [[0.0, 1.0, 2 / 3], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    )
    even = weigh(counts, np.array([1.0, 1.0, 1.0]), evenness=1.0).toarray()
    np.testing.assert_allclose(even, [[0.0, 1.0, 0.25], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 4), min_size=7, max_size=7), min_size=1, max_size=6),
    st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=7, max_size=7),
    st.integers(1, 4),
)
def test_what_is_kept_of_a_row_is_what_sorting_it_puts_first(
    rows: list[list[int]], factors: list[float], keep: int
) -> None:
    counts, factor = sparse.csr_matrix(np.array(rows, dtype=np.float64)), np.array(factors)
    kept = cut(counts, keep, by=leading(counts, factor))
    for row, cells in enumerate(rows):
        there = [column for column in range(7) if cells[column]]
        first = sorted(there, key=lambda column: (-cells[column] * factors[column], column))[:keep]
        assert dict(zip(kept[row].indices.tolist(), kept[row].data.tolist(), strict=True)) == {
            column: cells[column] for column in first
        }


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
