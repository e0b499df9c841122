"""How many pairs are kept of a log, and how are they put together without holding them twice?"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recommendations.training.log import IntArray

MOST_PAIRS = 100_000_000
"""Counts kept of one log, 12 bytes each: those of any log of some 4 million events, and the
thousand strongest of each item where 40 million were spread over 100,000 items."""
BLOCK_CELLS = 2_000_000
"""Cells worked on at a time where rows are taken apart."""


def partners_kept(occurrences: IntArray, reach: int) -> int:
    """How many partners of an item are kept, of items that occur so often.

    All where the pairs of all items cannot be more than `MOST_PAIRS`. Else the same number for
    each, so that they are not.
    """
    possible = np.sort(np.minimum(2 * reach * occurrences, len(occurrences)))
    if possible.sum() <= MOST_PAIRS:
        return max(int(possible.max(initial=0)), 1)
    below = np.concatenate([[0], np.cumsum(possible)[:-1]])
    as_long = np.arange(len(possible), 0, -1)
    first = int(np.searchsorted(below + possible * as_long, MOST_PAIRS, side="right"))
    return max(int((MOST_PAIRS - below[first]) // as_long[first]), 1)


def most_kept(occurrences: IntArray, reach: int, keep: int) -> int:
    """How many pairs there can be with `keep` of each item."""
    possible = np.minimum(2 * reach * occurrences, len(occurrences))
    return int(np.minimum(possible, keep).sum())


def joined(rows: Iterable[sparse.csr_matrix], *, columns: int, most: int) -> sparse.csr_matrix:
    """Blocks of rows as one matrix of at most `most` cells, each put in its place as it comes.

    What of `most` is not needed is reserved, but never becomes memory.
    """
    values, indices = np.empty(most), np.empty(most, dtype=np.int32)
    bounds, filled = [np.zeros(1, dtype=np.int64)], 0
    for block in rows:
        values[filled : filled + block.nnz] = block.data
        indices[filled : filled + block.nnz] = block.indices
        bounds.append(block.indptr[1:].astype(np.int64) + filled)
        filled += block.nnz
    indptr = np.concatenate(bounds)
    if filled <= np.iinfo(np.int32).max:
        indptr = indptr.astype(np.int32)
    return sparse.csr_matrix(
        (values[:filled], indices[:filled], indptr), shape=(len(indptr) - 1, columns)
    )


def row_blocks(matrix: sparse.csr_matrix) -> Iterator[tuple[IntArray, sparse.csr_matrix]]:
    """The rows of a matrix, some at a time, without a copy: their numbers, and what they hold."""
    indptr: npt.NDArray[np.integer] = matrix.indptr
    bounds = [0]
    while bounds[-1] < len(indptr) - 1:
        first = bounds[-1]
        stop = int(np.searchsorted(indptr, indptr[first] + BLOCK_CELLS, side="right")) - 1
        bounds.append(max(stop, first + 1))
    for first, stop in pairwise(bounds):
        cells = slice(indptr[first], indptr[stop])
        part = (matrix.data[cells], matrix.indices[cells], indptr[first : stop + 1] - cells.start)
        block = sparse.csr_matrix(part, shape=(stop - first, matrix.shape[1]))
        yield np.arange(first, stop), block
