"""What do some shoppers' new events change: counts added and taken off, and the rows they touch."""

import numpy as np
from scipy import sparse

from recommendations.training.counting import Kernel, count_pairs, popularity
from recommendations.training.log import IntArray, InteractionLog
from recommendations.training.neighbors import FloatArray, NeighborRecipe, log_sequences
from recommendations.training.sequences import Sequences

REST = 1e-9
"""A count below this is what rounding leaves of one that was taken off."""


def pair_change(
    before: InteractionLog, after: InteractionLog, recipe: NeighborRecipe, *, at: float, seed: int
) -> tuple[sparse.csr_matrix, FloatArray]:
    """What to add to the counts, and to the popularity, of a log in which some shoppers changed.

    Both logs are parts of one, whole histories of these shoppers alone: as they were counted,
    and as they are now. Empty as `after`, they are taken off. `at` is when the first count took
    place: fading goes on from there, so that old counts stay true. The sum of a count and its
    change is the count of the changed log.
    """
    was, is_now = (
        log_sequences(log, half_life_days=recipe.half_life_days, now=at, seed=seed)
        for log in (before, after)
    )
    return sequence_change(was, is_now, recipe.kernel)


def sequence_change(
    was: Sequences, is_now: Sequences, kernel: Kernel
) -> tuple[sparse.csr_matrix, FloatArray]:
    """What to add to counts and popularity where the same shoppers have other sequences now.

    Pairs of events before the first that differs are the same pairs in both. So only what is in
    reach of that event is counted: a visit costs what it costs, however long its history.
    """
    since = np.maximum(_agreeing(was, is_now) - kernel.reach, 0)
    was, is_now = _from(was, since), _from(is_now, since)
    change = sparse.csr_matrix(count_pairs(is_now, kernel) - count_pairs(was, kernel))
    change.data[np.abs(change.data) < REST] = 0
    change.eliminate_zeros()
    return change, popularity(is_now) - popularity(was)


def _agreeing(one: Sequences, other: Sequences) -> IntArray:
    """Per shopper, how many events the two sequences begin with in common."""
    shared = np.minimum(one.lengths(), other.lengths())
    shopper = np.repeat(np.arange(len(shared)), shared)
    place = np.arange(len(shopper)) - np.repeat(np.cumsum(shared) - shared, shared)
    left, right = one.starts[shopper] + place, other.starts[shopper] + place
    differs = one.item[left] != other.item[right]
    differs |= one.weight[left] != other.weight[right]
    np.minimum.at(shared, shopper[differs], place[differs])
    return shared


def _from(sequences: Sequences, since: IntArray) -> Sequences:
    """What is left of each shopper's sequence without the first `since` events."""
    place = np.arange(len(sequences)) - sequences.starts[sequences.shopper]
    return sequences.where(place >= since[sequences.shopper])


def merged(counts: sparse.csr_matrix, change: sparse.csr_matrix) -> sparse.csr_matrix:
    """Rows of counts after a change."""
    together = (counts + change).tocsr()
    together.data[together.data < REST] = 0
    together.eliminate_zeros()
    return together


def touched_rows(change: sparse.csr_matrix) -> IntArray:
    """The rows of a change that have any."""
    return np.flatnonzero(np.diff(change.indptr))
