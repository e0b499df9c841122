"""Which items go with which: pairs of the log counted, and weighed into neighbors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from profiles.signals import SECONDS_PER_DAY
from recommendations.scoring import KIND_WEIGHTS
from recommendations.training.counting import Kernel, count_blocks, popularity
from recommendations.training.keeping import (
    BLOCK_CELLS,
    joined,
    most_kept,
    partners_kept,
    row_blocks,
)
from recommendations.training.log import IntArray, InteractionLog
from recommendations.training.sequences import Sequences, in_order

FloatArray = npt.NDArray[np.float64]

POOL_DAMPING = 0.5
"""Where not all pairs are kept, those that lead with a damping amid those that are tried."""


@dataclass(frozen=True, slots=True)
class NeighborRecipe:
    """How neighbors are learned: what is counted, and how counts become weights.

    `reach`, `decay` and `backward` are those of the `Kernel`. An event counts half when it is
    `half_life_days` older. A count is divided by the target's popularity (plus the average
    item's) to the power `damping`, and a row by its largest weight to the power `evenness`: at 1
    every item hands out alike, at 0 as much as was counted. The weight is then raised to
    `sharpness`: above 1, what goes with few items in particular is put before what goes a little
    with all of them, and more of the catalog is shown.
    """

    reach: int = 15
    decay: float = 0.5
    backward: float = 0.7
    half_life_days: float = 60.0
    damping: float = 0.75
    evenness: float = 0.3
    sharpness: float = 1.5

    @property
    def kernel(self) -> Kernel:
        return Kernel(reach=self.reach, decay=self.decay, backward=self.backward)

    def counts_like(self, other: Self) -> bool:
        """Whether the same is counted, however it is weighed."""
        return self.kernel == other.kernel and self.half_life_days == other.half_life_days


@dataclass(frozen=True, slots=True)
class Pairs:
    """What was counted, in the order of a log's items: enough to learn neighbors, and to go on.

    All of them, or the strongest of each row where they would be more than `MOST_PAIRS`.
    `popularity` is what items had when they were counted, `average` that of an item that had any.
    """

    counts: sparse.csr_matrix
    popularity: FloatArray
    average: float

    def factor(self, recipe: NeighborRecipe) -> FloatArray:
        """Per item, what multiplies the counts that lead to it."""
        return damped(self.popularity, recipe.damping, average=self.average)


def count_log(log: InteractionLog, recipe: NeighborRecipe, *, now: float, seed: int) -> Pairs:
    """Count the pairs of a log, block by block.

    Memory is that of the log, a block, and 12 bytes a pair kept, `MOST_PAIRS` of them at most.
    Of a recipe it asks what is counted only: one count serves all that weigh it differently.
    """
    size = len(log.item_ids)
    sequences = log_sequences(log, half_life_days=recipe.half_life_days, now=now, seed=seed)
    popular = popularity(sequences)
    factor = damped(popular, POOL_DAMPING)
    occurrences = sequences.occurrences()
    keep = partners_kept(occurrences, recipe.reach)
    rows = (
        cut(block, keep, by=leading(block, factor))
        for _, block in count_blocks(sequences, recipe.kernel)
    )
    most = most_kept(occurrences, recipe.reach, keep)
    counts = joined(rows, columns=size, most=most)
    if not len(sequences):
        counts = sparse.csr_matrix((size, size), dtype=np.float64)
    return Pairs(counts, popular, average_popularity(popular))


def pool_of(pairs: Pairs, recipe: NeighborRecipe, *, keep: int) -> sparse.csr_matrix:
    """The `keep` strongest neighbors of each row of what was counted.

    Items by items, float32, none negative, an empty diagonal.
    """
    return weighed(leads_of(pairs.counts, pairs.factor(recipe), keep=keep), recipe)


def leads_of(counts: sparse.csr_matrix, factor: FloatArray, *, keep: int) -> sparse.csr_matrix:
    """What the `keep` pairs of each row that lead most lead by; ties go to the lower column."""
    blocks = (
        cut(
            sparse.csr_matrix((leading(block, factor), block.indices, block.indptr), block.shape),
            keep,
        )
        for _, block in row_blocks(counts)
    )
    most = int(np.minimum(np.diff(counts.indptr), keep).sum())
    return joined(blocks, columns=counts.shape[1], most=most)


def weighed(leads: sparse.csr_matrix, recipe: NeighborRecipe) -> sparse.csr_matrix:
    """Neighbors, strongest first, of what the strongest pairs of each row lead by."""
    pool = strongest(evened(leads, recipe.evenness), int(np.diff(leads.indptr).max(initial=0)))
    pool.data **= np.float32(recipe.sharpness)
    return pool


def log_sequences(
    log: InteractionLog, *, half_life_days: float, now: float, seed: int
) -> Sequences:
    """The log in order, every event at the weight of its kind and age.

    Both events of a pair bring the root of their own fading, so a pair fades by their mean age.
    """
    by_kind = np.array([KIND_WEIGHTS.get(kind, 0.0) for kind in log.kinds], dtype=np.float64)
    weight = by_kind[log.kind] * faded(log.at, half_life_days=half_life_days, now=now)
    ranks = weight > 0
    return in_order(
        log.shopper[ranks],
        log.item[ranks],
        log.at[ranks],
        shoppers=len(log.shopper_ids),
        items=len(log.item_ids),
        seed=seed,
        weight=weight[ranks].astype(np.float32),
        names=(log.shopper_ids, log.item_ids),
    )


def faded(at: npt.NDArray[np.int64], *, half_life_days: float, now: float) -> FloatArray:
    """What an event of a pair counts for its age: the root of 2^(-age / half-life).

    One that is later than `now` counts more: counts go on after the moment they began at.
    """
    age_days = (now - at) / SECONDS_PER_DAY
    return np.asarray(np.exp2(-0.5 * age_days / half_life_days))


def average_popularity(popular: FloatArray) -> float:
    """Of the items that have any; 1 where none has."""
    met = popular[popular > 0]
    return float(met.mean()) if len(met) else 1.0


def damped(popular: FloatArray, damping: float, *, average: float | None = None) -> FloatArray:
    """Per item, what multiplies the counts that lead to it: (popularity + average)^-damping."""
    if average is None:
        average = average_popularity(popular)
    return np.asarray((popular + average) ** -damping)


def leading(counts: sparse.csr_matrix, factor: FloatArray) -> FloatArray:
    """Each count times the `factor` of the item that it leads to."""
    return np.asarray(counts.data * factor.take(counts.indices))


def weigh(counts: sparse.csr_matrix, factor: FloatArray, *, evenness: float) -> sparse.csr_matrix:
    """Counts times the `factor` of their columns, each row over its largest to a power."""
    leads = (leading(counts, factor), counts.indices, counts.indptr)
    return evened(sparse.csr_matrix(leads, shape=counts.shape), evenness)


def evened(leads: sparse.csr_matrix, evenness: float) -> sparse.csr_matrix:
    """Each row over its largest to a power."""
    largest = row_maxima(leads.data, leads.indptr)
    by_row = np.where(largest > 0, largest, 1.0) ** -evenness
    values = leads.data * np.repeat(by_row, np.diff(leads.indptr))
    return sparse.csr_matrix((values, leads.indices, leads.indptr), shape=leads.shape)


def row_maxima(values: FloatArray, indptr: npt.NDArray[np.integer]) -> FloatArray:
    """The largest value of each row of a sparse matrix; 0 for an empty one."""
    largest = np.zeros(len(indptr) - 1)
    filled = np.diff(indptr) > 0
    if filled.any():
        largest[filled] = np.maximum.reduceat(values, indptr[:-1][filled])
    return largest


def strongest(weights: sparse.csr_matrix, keep: int) -> sparse.csr_matrix:
    """The `keep` largest of each row, each row in falling order; ties go to the lower column."""
    weights = cut(weights, keep).sorted_indices()
    lengths = np.diff(weights.indptr)
    columns, values, kept = [], [], [np.zeros(1, dtype=np.int64)]
    step = max(BLOCK_CELLS // max(int(lengths.max(initial=0)), 1), 1)
    for start in range(0, weights.shape[0], step):
        stop = min(start + step, weights.shape[0])
        length = lengths[start:stop]
        inside = np.arange(length.max(initial=0)) < length[:, None]
        block = slice(weights.indptr[start], weights.indptr[stop])
        value = np.zeros(inside.shape, dtype=np.float32)
        column = np.zeros(inside.shape, dtype=np.int32)
        value[inside], column[inside] = weights.data[block], weights.indices[block]
        order = np.argsort(-value, axis=1, kind="stable")
        value = np.take_along_axis(value, order, axis=1)
        positive = value > 0
        values.append(value[positive])
        columns.append(np.take_along_axis(column, order, axis=1)[positive])
        kept.append(positive.sum(axis=1))
    if not values:
        return sparse.csr_matrix(weights.shape, dtype=np.float32)
    return sparse.csr_matrix(
        (np.concatenate(values), np.concatenate(columns), np.cumsum(np.concatenate(kept))),
        shape=weights.shape,
    )


def with_momentum(
    pool: sparse.csr_matrix, factor: FloatArray, *, keep: int, scale: float | None = None
) -> sparse.csr_matrix:
    """The strongest neighbors after each item's weights were multiplied by its factor.

    Divided by `scale`; without one, so that the rows of items with neighbors add up to 1 on
    average: a history item hands out about as much as it is worth, whatever was counted.
    """
    leaning = sparse.csr_matrix(
        (pool.data * factor[pool.indices], pool.indices, pool.indptr), shape=pool.shape
    )
    leaning = strongest(leaning, keep)
    if scale is None:
        scale = row_scale(leaning)
    leaning.data = (leaning.data / scale).astype(np.float32)
    return leaning


def row_scale(neighbors: sparse.csr_matrix) -> float:
    """What rows that have neighbors add up to on average; 1 where none has."""
    sums = np.asarray(neighbors.sum(axis=1), dtype=np.float64).ravel()
    return float(sums[sums > 0].mean()) if (sums > 0).any() else 1.0


def cut(counts: sparse.csr_matrix, keep: int, *, by: FloatArray | None = None) -> sparse.csr_matrix:
    """The `keep` largest cells of each row, in no order; of equal ones those of lower columns.

    Largest is told by the cells, or by `by`, an element a cell. What is kept stays what it was.
    """
    return cuts(counts, (keep,), by=by)[0]


def cuts(
    counts: sparse.csr_matrix, keeps: Sequence[int], *, by: FloatArray | None = None
) -> list[sparse.csr_matrix]:
    """`cut` at several lengths, for little more than at one."""
    values = counts.data if by is None else by
    thresholds = _thresholds(values, counts.indptr, keeps)
    return [
        _above(counts, values, threshold, keep)
        for keep, threshold in zip(keeps, thresholds, strict=True)
    ]


def _above(
    counts: sparse.csr_matrix, values: FloatArray, threshold: FloatArray, keep: int
) -> sparse.csr_matrix:
    lengths = np.diff(counts.indptr)
    if lengths.max(initial=0) <= keep:
        return counts
    kept = np.flatnonzero(values >= np.repeat(threshold, lengths))
    bounds = np.searchsorted(kept, counts.indptr)
    found = np.diff(bounds)
    surplus = np.where(lengths > keep, found - keep, 0)
    if surplus.any():
        level = values.take(kept) == np.repeat(threshold, found)
        level &= np.repeat(surplus > 0, found)
        row = np.repeat(np.arange(len(found)), found)[level]
        column = counts.indices.take(kept[level])
        stays = np.ones(len(kept), dtype=np.bool_)
        stays[np.flatnonzero(level)[_last_columns(row, column, surplus)]] = False
        kept = kept[stays]
        bounds = np.searchsorted(kept, counts.indptr)
    return sparse.csr_matrix(
        (counts.data.take(kept), counts.indices.take(kept), bounds), shape=counts.shape
    )


def _thresholds(
    values: FloatArray, indptr: npt.NDArray[np.integer], keeps: Sequence[int]
) -> FloatArray:
    """Per length, the `keep`-th largest of each row that has more; minus infinity for others."""
    lengths = np.diff(indptr)
    thresholds = np.full((len(keeps), len(lengths)), -np.inf)
    long = np.flatnonzero(lengths > min(keeps))
    if not len(long):
        return thresholds
    values, bounds = values.copy(), indptr.tolist()
    places = sorted((keep, place) for place, keep in enumerate(keeps))
    for row in long.tolist():
        # A row by itself: to lay rows out as one table costs more than the calls do.
        cells = values[bounds[row] : bounds[row + 1]]
        for keep, place in reversed(places):
            if len(cells) > keep:
                cells.partition(len(cells) - keep)
                cells = cells[-keep:]
                thresholds[place, row] = cells[0]
    return thresholds


def _last_columns(row: IntArray, column: IntArray, most: IntArray) -> IntArray:
    """Which of these cells have the `most[row]` highest columns of their row."""
    order = np.lexsort((column, row))
    row = row[order]
    after = np.searchsorted(row, row, side="right") - np.arange(len(row))
    return order[after <= most[row]]
