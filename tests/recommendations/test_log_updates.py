"""A fitted log that takes events in: exactly as if all had been counted again."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recommendations.training.counting import count_pairs
from recommendations.training.log_model import KERNEL, LogModel, fit_log
from recommendations.training.log_updates import GrowingNeighbors
from recommendations.training.neighbors import cut, leading, weigh
from recommendations.training.sequences import Sequences, in_order

Columns = npt.NDArray[np.int64]
SHOPPERS, ITEMS = 4, 9
EVENTS = st.lists(
    st.tuples(st.integers(0, SHOPPERS - 1), st.integers(0, ITEMS - 1), st.integers(0, 40)),
    min_size=1,
    max_size=60,
)


def sequences_of(events: Columns) -> Sequences:
    return in_order(*events.T, shoppers=SHOPPERS, items=ITEMS, seed=5)


def counted_again(model: LogModel, events: Columns, *, keep: int) -> sparse.csr_matrix:
    """Neighbors of a full count, with what the model froze."""
    counts = count_pairs(sequences_of(events), KERNEL)
    kept = cut(counts, keep, by=leading(counts, model.factor)).sorted_indices()
    return weigh(kept, model.factor, evenness=model.settings.evenness)


@pytest.mark.parametrize("evenness", [0.0, 0.5])
@settings(max_examples=100, deadline=None)
@given(EVENTS, st.lists(EVENTS, max_size=3), st.integers(1, 5))
def test_updates_give_exactly_what_counting_everything_again_gives(
    evenness: float,
    first: list[tuple[int, int, int]],
    more: list[list[tuple[int, int, int]]],
    keep: int,
) -> None:
    events = np.array(first, dtype=np.int64)
    model = fit_log(sequences_of(events))
    model = replace(model, settings=replace(model.settings, evenness=evenness))
    growing = GrowingNeighbors(model, keep=keep)
    everyone = np.arange(ITEMS)
    for late in more:
        # Some come before others that were counted already, so that counts fall too.
        events, was = np.concatenate([events, np.array(late)]), events
        before = growing.neighbors(everyone)
        touched = growing.update(sequences_of(was), sequences_of(events))
        after, whole = growing.neighbors(everyone), counted_again(model, events, keep=keep)
        np.testing.assert_array_equal(after.indptr, whole.indptr)
        np.testing.assert_array_equal(after.indices, whole.indices)
        np.testing.assert_array_equal(after.data, whole.data)
        others = np.setdiff1d(everyone, touched)
        np.testing.assert_array_equal(after[others].toarray(), before[others].toarray())


def test_taking_a_shopper_off_leaves_no_trace() -> None:
    random = np.random.default_rng(2)
    events = np.column_stack(
        [random.integers(0, SHOPPERS, 50), random.integers(0, ITEMS, 50), np.arange(50)]
    )
    others = events[events[:, 0] != 2]
    model = fit_log(sequences_of(events))
    growing = GrowingNeighbors(model, keep=3)
    assert len(growing.update(sequences_of(events), sequences_of(others)))
    left = growing.neighbors(np.arange(ITEMS))
    whole = counted_again(model, others, keep=3)
    np.testing.assert_array_equal(left.toarray(), whole.toarray())
    assert not len(growing.update(sequences_of(others), sequences_of(others)))
