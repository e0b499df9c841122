"""Which items are bought together in one order: neighbors for the cart, learned in closed form."""

import numpy as np
from scipy import sparse

from profiles.signals import SECONDS_PER_DAY
from recommendations.training.baskets import Baskets
from recommendations.training.log import IntArray
from recommendations.training.neighbors import FloatArray, strongest

HALF_LIFE_DAYS = 180.0
CANDIDATES = 50
"""An item is explained by at most so many others, those with the largest cosine: what makes the
closed form cost a moment an item instead of the cube of the catalog."""
RIDGE = 1.5
"""Evidence that every weight is held to be nothing by. That of about seven baskets of twenty."""

MAX_PAIRS = 20_000_000
"""Bound on time and memory: only the newest baskets count, until they hold so many pairs."""
BLOCK_CELLS = 2_000_000
"""Cells of the systems that are solved at a time."""


def learn_complements(baskets: Baskets, *, now: float, keep: int) -> sparse.csr_matrix:
    """Items by items, float32, none negative, an empty diagonal, at most `keep` a row.

    Ridge regression, for each item, of its being in a basket on what else is in it: an item that
    is there because of another one in the basket earns no weight of its own. A basket counts half
    after 180 days, and by one over the root of its size: of a hundred things in one order few
    belong together. What would speak against an item counts nothing. Rows add up to 1 on average,
    each in falling order.
    """
    together = _together(_newest(baskets), now=now)
    candidates = strongest(_cosine(together), CANDIDATES)
    kept = strongest(_solved(together, candidates), keep)
    sums = np.asarray(kept.sum(axis=1)).ravel()
    if (sums > 0).any():
        kept.data = kept.data / sums[sums > 0].mean()
    kept.data = kept.data.astype(np.float32)
    return kept


def _together(baskets: Baskets, *, now: float) -> sparse.csr_matrix:
    """Items by items: the weight of the baskets that hold both; of an item, of all that hold it."""
    sizes = np.diff(baskets.items.indptr)
    age_days = np.maximum(now - baskets.at, 0.0) / SECONDS_PER_DAY
    counted = np.exp2(-age_days / HALF_LIFE_DAYS) / np.sqrt(np.maximum(sizes, 1))
    together = (baskets.items.T @ (sparse.diags(counted) @ baskets.items)).tocsr()
    together.sort_indices()
    return together


def _cosine(together: sparse.csr_matrix) -> sparse.csr_matrix:
    alone = together.diagonal()
    norm = sparse.diags(1.0 / np.sqrt(np.where(alone > 0, alone, 1.0)))
    cosine = (norm @ together @ norm).tocsr()
    cosine.setdiag(0.0)
    cosine.eliminate_zeros()
    return cosine


def _solved(together: sparse.csr_matrix, candidates: sparse.csr_matrix) -> sparse.csr_matrix:
    """What each item of a basket says for each other: the row's of the column's.

    Items with about as many candidates are solved together, so that little is padded.
    """
    lengths = np.diff(candidates.indptr)
    targets = np.flatnonzero(lengths)
    targets = targets[np.argsort(-lengths[targets], kind="stable")]
    sources, explained, weights = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    start = 0
    while start < len(targets):
        width = int(lengths[targets[start]])
        block = targets[start : start + max(BLOCK_CELLS // width**2, 1)]
        place = np.arange(width)
        inside = place < lengths[block][:, None]
        cells = np.minimum(candidates.indptr[block][:, None] + place, candidates.nnz - 1)
        source = candidates.indices[cells]
        weight = _regressed(together, block, source, inside)
        speaks = weight > 0
        sources.append(source[speaks])
        explained.append(np.broadcast_to(block[:, None], source.shape)[speaks])
        weights.append(weight[speaks])
        start += len(block)
    cells_of = np.concatenate(sources), np.concatenate(explained)
    return sparse.csr_matrix((np.concatenate(weights), cells_of), shape=together.shape)


def _regressed(
    together: sparse.csr_matrix,
    targets: IntArray,
    source: IntArray,
    inside: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
) -> FloatArray:
    """The weights of each target's sources; 0 for what is not `inside`."""
    both = inside[:, :, None] & inside[:, None, :]
    across = np.broadcast_to(source[:, :, None], both.shape)
    down = np.broadcast_to(source[:, None, :], both.shape)
    system = np.zeros(both.shape)
    system[both] = np.asarray(together[across[both], down[both]]).ravel()
    place = np.arange(source.shape[1])
    system[:, place, place] += RIDGE
    found = np.zeros(source.shape)
    target = np.broadcast_to(targets[:, None], source.shape)
    found[inside] = np.asarray(together[source[inside], target[inside]]).ravel()
    return np.asarray(np.linalg.solve(system, found[:, :, None])[:, :, 0])


def _newest(baskets: Baskets) -> Baskets:
    sizes = np.diff(baskets.items.indptr).astype(np.int64)
    pairs = np.cumsum((sizes**2)[::-1])[::-1]
    return baskets.rows(np.flatnonzero(pairs <= MAX_PAIRS))
