"""Which pairs of each item are its strongest as counts change? Exact, for what the change costs."""

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recommendations.training.increments import REST, touched_rows
from recommendations.training.log import BoolArray, IntArray
from recommendations.training.neighbors import FloatArray, leads_of


class GrowingPairs:
    """Rows of counts, and of each the `keep` pairs that lead most: true after every change.

    A pair leads by its count times the `factor` of the item it leads to; of equal ones those of
    lower columns are kept. The factor is frozen: what is kept depends on counts alone, and is
    what a cut of the changed counts keeps. A change costs what it has and the rows it moves, not
    the rows it merely adds to: most of what a visit adds stays far below the strongest.

    `counts` becomes this object's own: it is sorted and added to in place. Beside it, 12 bytes
    times `keep` a row are held.
    """

    def __init__(self, counts: sparse.csr_matrix, factor: FloatArray, *, keep: int) -> None:
        counts.sort_indices()
        self._counts, self._factor, self._keep = counts, factor, keep
        rows, self._width = counts.shape
        # Pairs that were met since, which have no place among the counts.
        self._fresh = sparse.csr_matrix(counts.shape, dtype=np.float64)
        # The strongest, in no order; a place that is free has column `_width` and leads by 0.
        self._columns = np.full((rows, keep), self._width, dtype=np.int32)
        self._leads = np.zeros((rows, keep))
        self._least = np.zeros(rows)
        self._put(np.arange(rows), leads_of(counts, factor, keep=keep))

    def add(self, change: sparse.csr_matrix) -> IntArray:
        """Add to the counts; the rows whose strongest pairs, or what they lead by, are others now.

        `change` has the shape of the counts, and cells below zero for what is taken off.
        """
        change.sort_indices()
        touched = touched_rows(change)
        row = np.repeat(touched, np.diff(change.indptr)[touched])
        column = change.indices
        count = self._added(change, row)
        lead = np.where(count > REST, count, 0.0) * self._factor.take(column)
        least = self._least.take(row)
        # Where it may have been kept before: but for rounding, it led by the least or more.
        before = (count - change.data) * self._factor.take(column)
        was_kept = (before >= least * (1 - 1e-9)) & (before > 0)
        # What falls may leave its place to a pair that is not at hand.
        again = np.unique(row[was_kept & (change.data < 0)])
        strong = (lead >= least) & (lead > 0)
        if len(again):
            strong &= ~np.isin(row, again)
        risen = self._raise(row[strong], column[strong], lead[strong], was_kept[strong])
        if not len(again):
            return risen
        self._fill(again)
        return np.union1d(risen, again)

    def strongest(self, rows: IntArray) -> sparse.csr_matrix:
        """What the strongest pairs of these rows lead by, a row each, columns in no order."""
        leads = self._leads.take(rows, axis=0).ravel()
        columns = self._columns.take(rows, axis=0).ravel()
        bounds = np.arange(len(rows) + 1) * self._keep
        kept = leads > 0
        if not kept.all():
            bounds = np.concatenate([[0], np.cumsum(kept)])[bounds]
            leads, columns = leads[kept], columns[kept]
        return sparse.csr_matrix((leads, columns, bounds), shape=(len(rows), self._width))

    def counts(self, rows: IntArray) -> sparse.csr_matrix:
        """All counts of these rows, as they are now."""
        together = (self._counts[rows] + self._fresh[rows]).tocsr()
        together.data[together.data < REST] = 0
        together.eliminate_zeros()
        return together

    def _added(self, change: sparse.csr_matrix, row: IntArray) -> FloatArray:
        """Each changed count as it is after the change, which is kept."""
        column, stored = change.indices, self._counts.data
        place, found = _places(self._counts, row, column)
        count: FloatArray = change.data.copy()
        if not found.all():
            beside = np.flatnonzero(~found)
            new_row, new_column, new = row[beside], column[beside], count[beside]
            there, known = _places(self._fresh, new_row, new_column)
            count[beside[known]] += self._fresh.data[there[known]]
            bounds = np.searchsorted(new_row, np.arange(change.shape[0] + 1))
            fresh = sparse.csr_matrix((new, new_column, bounds), shape=change.shape)
            self._fresh = self._fresh + fresh
            place = place[found]
            count[found] += stored[place]
            stored[place] = count[found]
        else:
            count += stored[place]
            stored[place] = count
        return count

    def _raise(
        self, row: IntArray, column: IntArray, lead: FloatArray, was_kept: BoolArray
    ) -> IntArray:
        """Take in pairs, by rising row, that stay or become the strongest; their rows.

        `was_kept` is true of those that were, and perhaps of some more.
        """
        perhaps = np.flatnonzero(was_kept)
        same = np.flatnonzero(self._columns.take(row[perhaps], axis=0) == column[perhaps, None])
        held, place = np.divmod(same, self._keep)
        held = perhaps[held]
        self._leads[row[held], place] = lead[held]
        enters = np.ones(len(row), dtype=np.bool_)
        enters[held] = False
        entered = self._enter(row[enters], column[enters], lead[enters])
        others = np.setdiff1d(row[held], entered)
        self._least[others] = self._leads.take(others, axis=0).min(axis=1)
        return np.union1d(entered, others)

    def _enter(self, row: IntArray, column: IntArray, lead: FloatArray) -> IntArray:
        """Put pairs, by rising row, in the places of those that lead least; their rows."""
        if not len(row):
            return row
        first = np.ones(len(row), dtype=np.bool_)
        first[1:] = row[1:] != row[:-1]
        rows, of = row[first], np.cumsum(first) - 1
        nth = np.arange(len(row)) - np.flatnonzero(first)[of]
        entering = np.zeros((len(rows), int(nth.max()) + 1))
        entering[of, nth] = lead
        kept = self._leads.take(rows, axis=0)
        wide = np.concatenate([kept, entering], axis=1)
        wide.partition(entering.shape[1], axis=1)
        least = wide[:, entering.shape[1]]
        above = np.maximum(least, np.finfo(np.float64).tiny)
        free = kept < above[:, None]
        stays = lead >= above[of]
        left = np.count_nonzero(free, axis=1) - np.bincount(of[stays], minlength=len(rows))
        tied = left < 0
        if tied.any():
            self._settle(rows, tied, (of, nth, column), np.hstack([kept, entering]))
            stays &= ~tied[of]
        of, column, lead = of[stays], column[stays], lead[stays]
        free_row, free_place = np.nonzero(free)
        nth = np.arange(len(of)) - np.searchsorted(of, of)
        place = free_place[np.searchsorted(free_row, of) + nth]
        self._leads[rows[of], place] = lead
        self._columns[rows[of], place] = column
        self._least[rows] = least
        return rows

    def _settle(
        self,
        rows: IntArray,
        tied: BoolArray,
        entering: tuple[IntArray, IntArray, IntArray],
        leads: FloatArray,
    ) -> None:
        """Of rows where more lead alike than there are places, keep those of lower columns.

        What neither is at hand nor enters leads by less, or alike with a higher column than any
        that is kept.
        """
        of, nth, column = entering
        columns = np.full(leads.shape, self._width, dtype=np.int32)
        columns[:, : self._keep] = self._columns.take(rows, axis=0)
        columns[of, self._keep + nth] = column
        leads, columns = leads[tied], columns[tied]
        order = np.lexsort((columns, -leads))[:, : self._keep]
        self._columns[rows[tied]] = np.take_along_axis(columns, order, axis=1)
        self._leads[rows[tied]] = np.take_along_axis(leads, order, axis=1)

    def _fill(self, rows: IntArray) -> None:
        """Find the strongest of some rows among all their counts."""
        self._put(rows, leads_of(self.counts(rows), self._factor, keep=self._keep))

    def _put(self, rows: IntArray, leads: sparse.csr_matrix) -> None:
        lengths = np.diff(leads.indptr)
        row = np.repeat(rows, lengths)
        place = np.arange(leads.nnz) - np.repeat(leads.indptr[:-1], lengths)
        self._columns[rows], self._leads[rows] = self._width, 0.0
        self._columns[row, place], self._leads[row, place] = leads.indices, leads.data
        self._least[rows] = np.where(lengths < self._keep, 0.0, self._leads[rows].min(axis=1))


def _places(
    counts: sparse.csr_matrix, row: IntArray, column: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.integer], BoolArray]:
    """Where cells are stored in a sorted matrix, and which of them are: one search for all."""
    indices, stop = counts.indices, counts.indptr.take(row + 1)
    # Before the first of the row; then onward in steps that halve, past all that is lower.
    place = counts.indptr.take(row) - 1
    longest = int((stop - place).max(initial=1)) - 1
    for power in range(longest.bit_length() - 1, -1, -1):
        ahead = place + (1 << power)
        lower = indices.take(ahead, mode="clip") < column
        lower &= ahead < stop
        place += lower.astype(place.dtype) << power
    place += 1
    found = place < stop
    if counts.nnz:
        found &= indices.take(place, mode="clip") == column
    return place, found
