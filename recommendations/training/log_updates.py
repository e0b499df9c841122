"""Which neighbors does a fitted log have after new events, without counting it again?"""

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recommendations.training.counting import FloatArray
from recommendations.training.increments import sequence_change, touched_rows
from recommendations.training.log_model import KERNEL, LogModel
from recommendations.training.neighbors import cut, leading, weigh
from recommendations.training.sequences import IntArray, Sequences


class GrowingNeighbors:
    """The strongest neighbors of every item, kept true as shoppers' sequences grow.

    Settings, popularity and momentum stay what the fit made of them; with these, counting the
    whole log again gives the very same neighbors, as far as the fit kept the counts. Counts added
    since the fit lie beside it, so an update costs what it changes, however large the log. Memory:
    12 bytes times the neighbors kept of each item, beside the model's own.
    """

    def __init__(self, model: LogModel, *, keep: int = 200) -> None:
        self._counts = model.counts.sorted_indices()
        self._added = sparse.csr_matrix(self._counts.shape, dtype=np.float64)
        self._factor, self._evenness = model.factor, model.settings.evenness
        self._keep = keep
        # A row for each item, by rising column; what is not filled is in no column there is.
        self._nowhere = self._counts.shape[1]
        self._items = np.full((self._nowhere, keep), self._nowhere, dtype=np.int32)
        self._values = np.zeros((self._nowhere, keep))
        self._recount(np.arange(self._nowhere))

    def update(self, was: Sequences, is_now: Sequences) -> IntArray:
        """The same shoppers' sequences, before and after: which items' neighbors changed."""
        change, _ = sequence_change(was, is_now, KERNEL)
        rows = touched_rows(change)
        change.sort_indices()
        self._added = self._added + change
        part = change[rows]
        place = np.repeat(np.arange(len(rows)), np.diff(part.indptr))
        value = self._count(rows[place], part.indices) * self._factor[part.indices]
        items, values = self._items[rows], self._values[rows]
        least = np.where(items[:, -1] < self._nowhere, values.min(axis=1, initial=np.inf), 0.0)
        known, where = self._find(items, place, part.indices)
        values.ravel()[where[known]] = value[known]
        self._values[rows] = values
        fell = np.zeros(len(rows), dtype=np.bool_)
        fell[place[part.data < 0]] = True
        enters = ~known & (value >= least[place]) & (value > 0) & ~fell[place]
        self._enter(rows, place[enters], part.indices[enters], value[enters])
        # Who takes the place of what fell is known from all counts of a row alone.
        self._recount(rows[fell])
        return rows

    def neighbors(self, rows: IntArray) -> sparse.csr_matrix:
        """Weights of the strongest neighbors of these items, a row each, by rising column."""
        inside = self._items[rows] < self._nowhere
        bounds = np.concatenate([[0], np.cumsum(inside.sum(axis=1))])
        strongest = sparse.csr_matrix(
            (self._values[rows][inside], self._items[rows][inside], bounds),
            shape=(len(rows), self._nowhere),
        )
        return weigh(strongest, np.ones(self._nowhere), evenness=self._evenness)

    def _count(self, rows: IntArray, items: IntArray) -> FloatArray:
        if not len(rows):
            return np.zeros(0)
        return np.asarray(self._counts[rows, items] + self._added[rows, items]).ravel()

    def _find(
        self, items: npt.NDArray[np.int32], row: IntArray, item: IntArray
    ) -> tuple[npt.NDArray[np.bool_], IntArray]:
        """Which cells are in these rows of neighbors, and where in them laid end to end."""
        width = self._nowhere + 1
        cells = (items + np.arange(len(items))[:, None] * width).ravel()
        wanted = row * width + item
        where = np.minimum(np.searchsorted(cells, wanted), max(len(cells) - 1, 0))
        return cells[where] == wanted, where

    def _enter(self, rows: IntArray, place: IntArray, item: IntArray, value: FloatArray) -> None:
        """Let cells, by rising row and column, in where they are among the strongest."""
        entered, row = np.unique(place, return_inverse=True)
        rows = rows[entered]
        inside = self._items[rows] < self._nowhere
        bounds = np.concatenate([[0], np.cumsum(inside.sum(axis=1))])
        shape = (len(rows), self._nowhere)
        there = sparse.csr_matrix(
            (self._values[rows][inside], self._items[rows][inside], bounds), shape=shape
        )
        new_bounds = np.searchsorted(row, np.arange(len(rows) + 1))
        new = sparse.csr_matrix((value, item, new_bounds), shape=shape)
        self._keep_of(rows, (there + new).tocsr())

    def _recount(self, rows: IntArray) -> None:
        counts = (self._counts[rows] + self._added[rows]).tocsr()
        self._keep_of(
            rows,
            sparse.csr_matrix(
                (leading(counts, self._factor), counts.indices, counts.indptr), shape=counts.shape
            ),
        )

    def _keep_of(self, rows: IntArray, values: sparse.csr_matrix) -> None:
        kept = cut(values, self._keep)
        kept.eliminate_zeros()
        inside = np.arange(self._keep) < np.diff(kept.indptr)[:, None]
        items = np.full(inside.shape, self._nowhere, dtype=np.int32)
        strength = np.zeros(inside.shape)
        items[inside], strength[inside] = kept.indices, kept.data
        self._items[rows], self._values[rows] = items, strength
