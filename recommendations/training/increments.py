"""What do some shoppers' new events change: counts added and taken off, and the rows they touch."""

import numpy as np
from scipy import sparse

from recommendations.training.counting import count_pairs, popularity
from recommendations.training.log import IntArray, InteractionLog
from recommendations.training.neighbors import FloatArray, NeighborRecipe, log_sequences

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
    change = count_pairs(is_now, recipe.kernel) - count_pairs(was, recipe.kernel)
    return sparse.csr_matrix(change), popularity(is_now) - popularity(was)


def merged(counts: sparse.csr_matrix, change: sparse.csr_matrix) -> sparse.csr_matrix:
    """Rows of counts after a change."""
    together = (counts + change).tocsr()
    together.data[together.data < REST] = 0
    together.eliminate_zeros()
    return together


def touched_rows(change: sparse.csr_matrix) -> IntArray:
    """The rows of a change that have any."""
    return np.flatnonzero(np.diff(change.indptr))
