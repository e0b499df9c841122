"""Which neighbors does a fitted log have after new events, without counting it again?"""

import numpy as np
from scipy import sparse

from recommendations.training.increments import sequence_change, touched_rows
from recommendations.training.log_model import KERNEL, LogModel
from recommendations.training.neighbors import cut, leading, weigh
from recommendations.training.sequences import IntArray, Sequences


class GrowingNeighbors:
    """The strongest neighbors of every item, true at any moment as shoppers' sequences grow.

    Settings, popularity and momentum stay what the fit made of them; with these, counting the
    whole log again gives the very same neighbors, as far as the fit kept the counts. What was
    added since the fit lies beside it: an update costs what it and the updates before it change,
    however large the log. A row is weighed when it is asked for, which takes some microseconds.
    """

    def __init__(self, model: LogModel, *, keep: int = 200) -> None:
        self._counts = model.counts.sorted_indices()
        self._added = sparse.csr_matrix(self._counts.shape, dtype=np.float64)
        self._factor, self._evenness = model.factor, model.settings.evenness
        self._keep = keep

    def update(self, was: Sequences, is_now: Sequences) -> IntArray:
        """The same shoppers' sequences, before and after: which items' neighbors may change."""
        change, _ = sequence_change(was, is_now, KERNEL)
        change.sort_indices()
        self._added = self._added + change
        return touched_rows(change)

    def neighbors(self, items: IntArray) -> sparse.csr_matrix:
        """Weights of the strongest neighbors of these items, a row each, by rising column."""
        counts = (self._counts[items] + self._added[items]).tocsr()
        counts.eliminate_zeros()
        strongest = cut(counts, self._keep, by=leading(counts, self._factor))
        return weigh(strongest, self._factor, evenness=self._evenness)
