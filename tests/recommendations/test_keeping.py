"""How much is kept of a log: all of it where it fits, and never more than was said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from recommendations.training import keeping
from recommendations.training.keeping import joined, most_kept, partners_kept, row_blocks
from recommendations.training.neighbors import NeighborRecipe, count_log
from tests.recommendations.logs import at_day, make_log


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(1, 5))
def test_as_many_partners_are_kept_as_fit(occurrences: list[int], reach: int) -> None:
    occurs = np.array(occurrences)
    everything = most_kept(occurs, reach, len(occurs))
    for most in (1, len(occurs), everything // 2, everything, everything + 1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(keeping, "MOST_PAIRS", most)
            keep = partners_kept(occurs, reach)
        assert keep >= 1
        if keep > 1:
            assert most_kept(occurs, reach, keep) <= most
        if everything <= most:
            assert most_kept(occurs, reach, keep) == everything
        else:
            assert most_kept(occurs, reach, keep + 1) > most


def test_blocks_of_rows_are_joined_to_what_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "BLOCK_CELLS", 7)
    matrix = sparse.random(12, 9, density=0.3, format="csr", random_state=3)
    parts = list(row_blocks(matrix))
    assert len(parts) > 2
    assert np.concatenate([rows for rows, _ in parts]).tolist() == list(range(12))
    again = joined((block for _, block in parts), columns=9, most=matrix.nnz + 5)
    np.testing.assert_array_equal(again.toarray(), matrix.toarray())
    assert joined([], columns=9, most=0).shape == (0, 9)


def test_of_a_log_with_too_many_pairs_the_strongest_of_each_item_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(1)
    log = make_log(
        [
            (shopper, int(item), float(day), "purchase")
            for shopper in range(20)
            for day, item in enumerate(random.choice(15, size=8, replace=False))
        ]
    )
    recipe = NeighborRecipe(reach=4, damping=0.5)
    whole = count_log(log, recipe, now=at_day(10), seed=1).counts
    monkeypatch.setattr(keeping, "MOST_PAIRS", 80)
    some = count_log(log, recipe, now=at_day(10), seed=1).counts
    assert some.nnz <= 80 < whole.nnz
    lengths = np.diff(some.indptr)
    assert (lengths == lengths.max()).all()
    known = whole.toarray()
    assert all(
        known[row, column] == value for row, column, value in zip(*sparse.find(some), strict=True)
    )
