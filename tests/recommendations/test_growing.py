"""The strongest pairs of a log that grows: exactly what counting it again gives."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recommendations.training.counting import Kernel, count_pairs
from recommendations.training.growing import GrowingPairs
from recommendations.training.increments import sequence_change
from recommendations.training.log_model import KERNEL, fit_log
from recommendations.training.neighbors import leads_of
from recommendations.training.sequences import Sequences, in_order

Columns = npt.NDArray[np.int64]
SHOPPERS, ITEMS = 4, 9
EVERYONE = np.arange(ITEMS)
EVENTS = st.lists(
    st.tuples(st.integers(0, SHOPPERS - 1), st.integers(0, ITEMS - 1), st.integers(0, 40)),
    min_size=1,
    max_size=60,
)
FACTORS = st.lists(st.sampled_from([0.25, 0.5, 1.0]), min_size=ITEMS, max_size=ITEMS)


def sequences_of(events: Columns) -> Sequences:
    return in_order(*events.T, shoppers=SHOPPERS, items=ITEMS, seed=5)


def table(leads: sparse.csr_matrix) -> npt.NDArray[np.float64]:
    return np.asarray(leads.toarray())


@settings(max_examples=300, deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=6), FACTORS, st.integers(1, 9), st.data())
def test_what_is_strongest_is_exactly_what_counting_everything_again_gives(
    parts: list[list[tuple[int, int, int]]], factors: list[float], keep: int, data: st.DataObject
) -> None:
    # Few factors and short distances: many pairs lead alike, and places must be told by column.
    kernel, factor = Kernel(reach=3, decay=1.0, backward=0.5), np.array(factors)
    events = np.array(parts[0], dtype=np.int64)
    growing = GrowingPairs(count_pairs(sequences_of(events), kernel), factor, keep=keep)
    for part in parts[1:]:
        was = events
        if data.draw(st.booleans(), label="erase a shopper"):
            events = events[events[:, 0] != data.draw(st.integers(0, SHOPPERS - 1))]
        # Some come before others that were counted already, so that counts fall too.
        events = np.concatenate([events, np.array(part)])
        change, _ = sequence_change(sequences_of(was), sequences_of(events), kernel)
        before = table(growing.strongest(EVERYONE))
        changed = growing.add(change)
        after = table(growing.strongest(EVERYONE))
        whole = count_pairs(sequences_of(events), kernel)
        np.testing.assert_array_equal(after, table(leads_of(whole, factor, keep=keep)))
        np.testing.assert_array_equal(table(growing.counts(EVERYONE)), whole.toarray())
        others = np.setdiff1d(EVERYONE, changed)
        np.testing.assert_array_equal(after[others], before[others])


@pytest.mark.parametrize("erased", [0, 2])
def test_taking_a_shopper_off_leaves_no_trace(erased: int) -> None:
    random = np.random.default_rng(2)
    events = np.column_stack(
        [random.integers(0, SHOPPERS, 50), random.integers(0, ITEMS, 50), np.arange(50)]
    )
    others = events[events[:, 0] != erased]
    model = fit_log(sequences_of(events))
    growing = GrowingPairs(model.counts, model.factor, keep=3)
    change, _ = sequence_change(sequences_of(events), sequences_of(others), KERNEL)
    assert len(growing.add(change))
    whole = leads_of(count_pairs(sequences_of(others), KERNEL), model.factor, keep=3)
    np.testing.assert_array_equal(table(growing.strongest(EVERYONE)), table(whole))
    nothing, _ = sequence_change(sequences_of(others), sequences_of(others), KERNEL)
    assert not len(growing.add(nothing))


def test_a_row_that_gains_more_than_it_keeps_is_whole() -> None:
    """A large import at once: more new pairs of one item than it has neighbors."""
    random = np.random.default_rng(4)
    items, keep = 40, 5
    counts = sparse.random(items, items, density=0.2, format="csr", random_state=1)
    factor = random.uniform(0.5, 1.0, items)
    whole = counts.toarray()
    growing = GrowingPairs(counts, factor, keep=keep)
    for density in (0.9, 0.05, 0.9):
        change = sparse.random(items, items, density=density, format="csr", random_state=2)
        whole = whole + change.toarray()
        growing.add(change)
        again = leads_of(sparse.csr_matrix(whole), factor, keep=keep)
        grown = growing.strongest(np.arange(items))
        np.testing.assert_allclose(table(grown), table(again), rtol=1e-12)
