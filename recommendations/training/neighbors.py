"""Which items go with which: two ways to learn it, both of which add up item by item."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.linalg import lapack

from profiles.signals import SECONDS_PER_DAY
from recommendations.scoring import KIND_WEIGHTS
from recommendations.training.log import IntArray, InteractionLog

MAX_VISIT_ITEMS = 200
"""A larger basket is sampled: a wholesale order of thousands says little about any pair."""
MAX_PAIRS = 30_000_000
"""Bound on time and memory of co-occurrence: visits further apart are left out beyond it."""
BLOCK_CELLS = 2_000_000
"""Cells worked on at a time where rows are taken apart densely."""


@dataclass(frozen=True, slots=True)
class NeighborRecipe:
    """How neighbors are learned.

    `ease` is the closed-form linear autoencoder (Steck 2019) with its ridge; it costs n^3 time
    and n^2 memory in the items. `cooccurrence` counts what is taken within `window` visits of
    each other, by 1 / distance, `backward` for the earlier item given the later one, older
    visits fading by `half_life_days`, over popularity of the source and target to a power.
    """

    method: Literal["ease", "cooccurrence"] = "ease"
    ridge: float = 300.0
    window: int = 5
    backward: float = 0.5
    half_life_days: float = 90.0
    source_power: float = 0.5
    target_power: float = 0.5


def learn_neighbors(
    log: InteractionLog, recipe: NeighborRecipe, *, now: float, keep: int, seed: int
) -> sparse.csr_matrix:
    """Items by items, float32, none negative, an empty diagonal, at most `keep` a row."""
    if not len(log):
        size = len(log.item_ids)
        return sparse.csr_matrix((size, size), dtype=np.float32)
    if recipe.method == "ease":
        return _ease(log, ridge=recipe.ridge, keep=keep)
    return strongest(_cooccurrence(log, recipe, now=now, seed=seed), keep)


def strongest(weights: sparse.csr_matrix, keep: int) -> sparse.csr_matrix:
    """The `keep` largest of each row, each row in falling order; ties go to the lower column."""
    weights = weights.sorted_indices()
    lengths = np.diff(weights.indptr)
    columns, values, kept = [], [], []
    step = max(BLOCK_CELLS // max(int(lengths.max(initial=0)), 1), 1)
    for start in range(0, weights.shape[0], step):
        stop = min(start + step, weights.shape[0])
        length = lengths[start:stop]
        inside = np.arange(length.max(initial=0)) < length[:, None]
        block = slice(weights.indptr[start], weights.indptr[stop])
        value = np.zeros(inside.shape, dtype=np.float32)
        column = np.zeros(inside.shape, dtype=np.int64)
        value[inside], column[inside] = weights.data[block], weights.indices[block]
        order = np.argsort(-value, axis=1, kind="stable")[:, :keep]
        value = np.take_along_axis(value, order, axis=1)
        positive = value > 0
        values.append(value[positive])
        columns.append(np.take_along_axis(column, order, axis=1)[positive])
        kept.append(positive.sum(axis=1))
    bounds = np.cumsum(_joined([np.zeros(1, dtype=np.int64), *kept], np.int64))
    return sparse.csr_matrix(
        (_joined(values, np.float32), _joined(columns, np.int64), bounds), shape=weights.shape
    )


def with_momentum(
    pool: sparse.csr_matrix, factor: npt.NDArray[np.float64], *, keep: int
) -> sparse.csr_matrix:
    """The strongest neighbors after each item's weights were multiplied by its factor.

    Scaled so that the rows of items with neighbors add up to 1 on average: a history item
    hands out about as much as it is worth, whatever the method learned.
    """
    scaled = strongest((pool @ sparse.diags(factor)).tocsr(), keep)
    sums = np.asarray(scaled.sum(axis=1)).ravel()
    if (sums > 0).any():
        scaled.data = scaled.data / sums[sums > 0].mean()
    scaled.data = scaled.data.astype(np.float32)
    return scaled


def interactions(log: InteractionLog) -> sparse.csr_matrix:
    """Shoppers by items: the weight of the best thing the shopper did with the item."""
    by_kind = np.array([KIND_WEIGHTS.get(kind, 0.0) for kind in log.kinds], dtype=np.float64)
    return _best(log.shopper, log.item, by_kind[log.kind], _shape(log))


def _ease(log: InteractionLog, *, ridge: float, keep: int) -> sparse.csr_matrix:
    taken = interactions(log)
    gram = (taken.T @ taken).toarray()
    gram[np.diag_indices_from(gram)] += ridge
    factor, _ = lapack.dpotrf(gram, lower=1, overwrite_a=1)
    lower, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    diagonal = lower.diagonal().copy()
    rows = []
    step = max(BLOCK_CELLS // len(diagonal), 1)
    for start in range(0, len(diagonal), step):
        stop = min(start + step, len(diagonal))
        # LAPACK fills one triangle of the symmetric inverse: the rest comes from its columns.
        block = np.tril(lower[start:stop], start)
        block[:, start:] += np.tril(lower[start:, start:stop], -1).T
        block = np.maximum(-block / diagonal, 0.0).astype(np.float32)
        block[np.arange(stop - start), np.arange(start, stop)] = 0.0
        rows.append(_strongest_dense(block, keep))
    return sparse.vstack(rows, format="csr")


def _strongest_dense(block: npt.NDArray[np.float32], keep: int) -> sparse.csr_matrix:
    if keep < block.shape[1]:
        threshold = -np.partition(-block, keep - 1, axis=1)[:, keep - 1]
        block = np.where(block >= threshold[:, None], block, np.float32(0))
    return strongest(sparse.csr_matrix(block), keep)


def _cooccurrence(
    log: InteractionLog, recipe: NeighborRecipe, *, now: float, seed: int
) -> sparse.csr_matrix:
    visits, shopper, at = _visits(log, seed=seed)
    age_days = np.maximum(now - at, 0.0) / SECONDS_PER_DAY
    fading = np.exp2(-age_days / recipe.half_life_days)
    together = (visits.T @ sparse.diags(fading) @ visits).tocsr()
    popularity = np.asarray(visits.T @ fading).ravel()
    sizes = np.diff(visits.indptr)
    pairs = int((sizes.astype(np.int64) ** 2).sum())
    for distance in range(1, recipe.window + 1):
        first = np.flatnonzero(shopper[:-distance] == shopper[distance:])
        pairs += int((sizes[first].astype(np.int64) * sizes[first + distance]).sum())
        if not len(first) or pairs > MAX_PAIRS:
            break
        later = sparse.diags(fading[first + distance] / distance) @ visits[first + distance]
        forward = (visits[first].T @ later).tocsr()
        together = together + forward + recipe.backward * forward.T
    together = together.tocsr()
    together.setdiag(0.0)
    together.eliminate_zeros()
    safe = np.where(popularity > 0, popularity, 1.0)
    return (
        sparse.diags(safe**-recipe.source_power)
        @ together
        @ sparse.diags(safe**-recipe.target_power)
    ).tocsr()


def _visits(
    log: InteractionLog, *, seed: int
) -> tuple[sparse.csr_matrix, IntArray, npt.NDArray[np.float64]]:
    """Visits by items, each visit's shopper and time; a visit is one shopper's one time stamp.

    Sorted by shopper, then time. What shares a time stamp has no order, and is given none.
    """
    moments, visit = np.unique(np.stack([log.shopper, log.at]), axis=1, return_inverse=True)
    visit = visit.reshape(-1)
    order = np.random.default_rng(seed).permutation(len(log))
    order = order[np.argsort(visit[order], kind="stable")]
    starts = np.searchsorted(visit[order], np.arange(moments.shape[1]))
    rank = np.arange(len(order)) - starts[visit[order]]
    kept = order[rank < MAX_VISIT_ITEMS]
    by_kind = np.array([KIND_WEIGHTS.get(kind, 0.0) for kind in log.kinds], dtype=np.float64)
    matrix = _best(
        visit[kept],
        log.item[kept],
        by_kind[log.kind[kept]],
        (moments.shape[1], len(log.item_ids)),
    )
    return matrix, moments[0], moments[1].astype(np.float64)


def _best(
    row: IntArray, column: IntArray, value: npt.NDArray[np.float64], shape: tuple[int, int]
) -> sparse.csr_matrix:
    """A matrix of the largest value met in each cell."""
    order = np.lexsort((-value, column, row))
    row, column, value = row[order], column[order], value[order]
    cell = row * max(shape[1], 1) + column
    first = np.ones(len(cell), dtype=np.bool_)
    first[1:] = cell[1:] != cell[:-1]
    kept = first & (value > 0)
    return sparse.csr_matrix((value[kept], (row[kept], column[kept])), shape=shape)


def _joined(parts: list[npt.NDArray[Any]], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype=dtype), *parts]).astype(dtype)


def _shape(log: InteractionLog) -> tuple[int, int]:
    return len(log.shopper_ids), len(log.item_ids)
