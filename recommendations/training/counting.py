"""Which items are met near each other: pairs of a sequence, counted by how far apart they are."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy import sparse

from recommendations.training.sequences import Sequences

FloatArray = npt.NDArray[np.float64]
_Number = TypeVar("_Number", bound=np.generic)

BLOCK_PAIRS = 2_000_000
"""Pairs worked on at a time; each takes about 60 bytes while it is counted."""
GRAIN = 2.0**-12
"""Every distance counts a multiple of this. Weights of events that are multiples too (`in_grains`)
make all counts sums of exact numbers: added and taken off in any order, they come out equal."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """What a pair of events of one shopper counts: 1 / distance^`decay`, at most `reach` apart.

    From the later item back to the earlier one it counts `backward` times that. What a shopper
    took at one moment, an order of many items, has a random order in the sequence: any two of
    them are as likely to be counted, and either way.
    """

    reach: int = 15
    decay: float = 1.0
    backward: float = 0.7


def count_pairs(sequences: Sequences, kernel: Kernel) -> sparse.csr_matrix:
    """Items by items: what all pairs that lead from the row's item to the column's count.

    The `weight` of both events multiplies a pair. Sets of shoppers add up: the count of a log
    is the sum of the counts of its shoppers.
    """
    blocks = [block for _, block in count_blocks(sequences, kernel)]
    if not blocks:
        return sparse.csr_matrix((sequences.items, sequences.items), dtype=np.float64)
    return sparse.vstack(blocks, format="csr") if len(blocks) > 1 else blocks[0]


def count_blocks(
    sequences: Sequences, kernel: Kernel, *, block_pairs: int = BLOCK_PAIRS
) -> Iterator[tuple[int, sparse.csr_matrix]]:
    """The rows of `count_pairs`, whole, some at a time, each with the number of its first row.

    Memory is that of one block however many events there are: a block has about `block_pairs`
    pairs, or one row.
    """
    if not len(sequences):
        return
    occurs = _by_item(sequences)
    windows = _Windows(sequences, kernel)
    bounds = _bounds(occurs.indptr, max(block_pairs // (2 * kernel.reach), 1))
    for first, stop in pairwise(bounds):
        begin, end = occurs.indptr[first], occurs.indptr[stop]
        events = occurs.indices[begin:end]
        where = sparse.csr_matrix(
            (
                sequences.weight[events].astype(np.float64),
                np.arange(len(events), dtype=np.int32),
                occurs.indptr[first : stop + 1] - begin,
            ),
            shape=(stop - first, len(events)),
        )
        yield first, _without_itself((where @ windows.around(events)).tocsr(), first)


def in_grains(values: FloatArray) -> FloatArray:
    """Each at the nearest multiple of `GRAIN`."""
    return np.asarray(np.round(values / GRAIN) * GRAIN)


def popularity(sequences: Sequences) -> FloatArray:
    """Per item, the weights of its events added up."""
    return np.bincount(sequences.item, weights=sequences.weight, minlength=sequences.items).astype(
        np.float64
    )


class _Windows:
    """What comes before and after an event, as far as its shopper's sequence goes."""

    def __init__(self, sequences: Sequences, kernel: Kernel) -> None:
        reach = kernel.reach
        steps = np.arange(-reach, reach + 1)
        self._reach = reach
        self._items = self._wide(sequences.item.astype(np.int32))
        weighted = not (sequences.weight == 1).all()
        self._weights = self._wide(sequences.weight) if weighted else None
        ahead = sequences.back()
        behind = sequences.lengths()[sequences.shopper] - 1 - ahead
        # Windows differ by how far they reach back and ahead only: one mask for each such pair.
        self._shape = np.minimum(behind, reach) * (reach + 1) + np.minimum(ahead, reach)
        far = np.arange(reach + 1)
        self._masks = (
            (steps >= -far[:, None, None]) & (steps <= far[:, None]) & (steps != 0)
        ).reshape(-1, len(steps))
        distance = np.maximum(np.abs(steps), 1)
        self._counts = in_grains(np.where(steps < 0, kernel.backward, 1.0) / distance**kernel.decay)
        self._tiles = np.zeros(0)
        self._width = sequences.items

    def _wide(self, values: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
        return sliding_window_view(np.pad(values, self._reach), 2 * self._reach + 1)

    def _tiled(self, events: int) -> FloatArray:
        if len(self._tiles) < events * len(self._counts):
            self._tiles = np.tile(self._counts, events)
        return self._tiles

    def around(self, events: npt.NDArray[np.int32]) -> sparse.csr_matrix:
        """Events by items: what each item around each event counts for it."""
        shapes = self._shape[events]
        # Twice as fast as picking by the mask itself.
        inside = np.flatnonzero(self._masks[shapes])
        if self._weights is None:
            counts = self._tiled(len(events))
        else:
            counts = np.multiply(self._weights[events], self._counts, dtype=np.float64).ravel()
        bounds = np.zeros(len(events) + 1, dtype=np.int32)
        np.cumsum(self._masks.sum(axis=1)[shapes], out=bounds[1:])
        items = self._items[events].ravel()
        return sparse.csr_matrix(
            (counts.take(inside), items.take(inside), bounds), shape=(len(events), self._width)
        )


def _by_item(sequences: Sequences) -> sparse.csr_matrix:
    """Items by events: where each item occurs, in order. A counting sort."""
    events = len(sequences)
    return sparse.csc_matrix(
        (
            np.ones(events, dtype=np.bool_),
            sequences.item.astype(np.int32),
            np.arange(events + 1, dtype=np.int32),
        ),
        shape=(sequences.items, events),
    ).tocsr()


def _bounds(indptr: npt.NDArray[np.int32], most: int) -> list[int]:
    """Rows to begin blocks at, so that a block has at most so many events, or one row."""
    bounds = [0]
    while bounds[-1] < len(indptr) - 1:
        first = bounds[-1]
        stop = int(np.searchsorted(indptr, indptr[first] + most, side="right")) - 1
        bounds.append(max(stop, first + 1))
    return bounds


def _without_itself(block: sparse.csr_matrix, first: int) -> sparse.csr_matrix:
    rows = np.repeat(np.arange(first, first + block.shape[0]), np.diff(block.indptr))
    block.data[block.indices == rows] = 0
    block.eliminate_zeros()
    return block
