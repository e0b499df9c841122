"""How good is a ranking on days it has not seen: recall, nDCG and coverage."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

Scores = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ListQuality:
    """Means over shoppers who took something; `coverage` is the share of items shown to any."""

    recall: float
    ndcg: float
    coverage: float
    shoppers: int

    @property
    def worth(self) -> float:
        """The one number that settings are chosen by."""
        return (self.recall + self.ndcg) / 2


def top_items(scores: Scores, k: int) -> IntArray:
    """The columns of the `k` best scores of each row, best first; ties go to the lower column."""
    k = min(k, scores.shape[1])
    if k < scores.shape[1]:
        best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        # Which of several equal scores argpartition keeps is its own affair: settle it.
        edge = np.take_along_axis(scores, best, axis=1).min(axis=1, initial=np.inf)
        tied = (scores == edge[:, None]).sum(axis=1) > (
            np.take_along_axis(scores, best, axis=1) == edge[:, None]
        ).sum(axis=1)
        for row in np.flatnonzero(tied):
            best[row] = np.lexsort((np.arange(scores.shape[1]), -scores[row]))[:k]
    else:
        best = np.tile(np.arange(k), (scores.shape[0], 1))
    values = np.take_along_axis(scores, best, axis=1)
    order = np.lexsort((best, -values), axis=1)
    return np.asarray(np.take_along_axis(best, order, axis=1))


def shopper_quality(
    lists: IntArray, truth: sparse.csr_matrix, *, k: int
) -> tuple[FloatArray, FloatArray]:
    """recall@k and nDCG@k, an element for each row of `truth` that has items.

    `truth` is shoppers by items (nonzero: taken), `lists` one list per row. recall is capped
    at min(k, n) for a shopper who took n items; nDCG has gain 1, discount log2(rank + 1), and
    the ideal of min(k, n) hits.
    """
    taken = np.diff(truth.indptr)
    counted = taken > 0
    lists, truth, taken = lists[counted][:, :k], truth[counted], taken[counted]
    if not lists.size:
        return np.zeros(len(taken)), np.zeros(len(taken))
    cells = np.repeat(np.arange(len(lists)), lists.shape[1]), lists.reshape(-1)
    hits = np.asarray(truth[cells]).reshape(lists.shape) > 0
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    possible = np.minimum(taken, k)
    ideal = np.cumsum(discount)[possible - 1]
    return hits.sum(axis=1) / possible, hits @ discount[: lists.shape[1]] / ideal


def list_quality(lists: IntArray, truth: sparse.csr_matrix, *, k: int) -> ListQuality:
    """The means of `shopper_quality`. Shoppers who took nothing do not count."""
    recall, ndcg = shopper_quality(lists, truth, k=k)
    if not len(recall):
        return ListQuality(0.0, 0.0, 0.0, 0)
    shown = np.unique(lists[np.diff(truth.indptr) > 0][:, :k])
    return ListQuality(
        recall=float(recall.mean()),
        ndcg=float(ndcg.mean()),
        coverage=len(shown) / truth.shape[1],
        shoppers=len(recall),
    )
