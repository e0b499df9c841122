"""How good is a ranking on days it has not seen: recall, nDCG and coverage."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

Scores = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


SHOWN = 10
COVERAGE_SHARE = 0.05
"""What showing more of the catalog counts beside showing the right items, relatively."""
DISCOVERY_SHARE = 0.2
"""The same where items are shown that the shopper does not have: finding what nobody would have
looked for is the point of that list."""


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
    rows, width = scores.shape
    k = min(k, width)
    if not rows or not k:
        return np.zeros((rows, k), dtype=np.int64)
    last = np.partition(scores, width - k, axis=1)[:, width - k, None]
    best = scores >= last
    clear = best.sum(axis=1) == k  # no tie across the end of the list
    lists = np.empty((rows, k), dtype=np.int64)
    lists[clear] = np.nonzero(best[clear])[1].reshape(-1, k)
    if not clear.all():
        keys = _falling_keys(scores[~clear])
        lists[~clear] = np.sort(np.argpartition(keys, k - 1, axis=1)[:, :k], axis=1)
    order = np.argsort(-np.take_along_axis(scores, lists, axis=1), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(lists, order, axis=1))


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


@dataclass(frozen=True, slots=True)
class Judged:
    """How good lists are that a setting is judged by.

    `worth` has the mean of recall and nDCG of each list with a truth; `shown` counts the items that
    are among the first SHOWN of any of them, and `coverage_share` says what these are worth.
    """

    worth: FloatArray
    shown: int
    coverage_share: float = COVERAGE_SHARE

    def gain_over(self, other: "Judged") -> tuple[float, float]:
        """Relative gain, and the variance of its mean, from the differences list by list.

        Showing more of the catalog is a gain too: where one more item in a hundred is seen, the
        lists may be `coverage_share` times that less right.
        """
        if not len(self.worth):
            return 0.0, 0.0
        difference = (self.worth - other.worth) / max(float(other.worth.mean()), 1e-6)
        wider = np.log(max(self.shown, 1) / max(other.shown, 1))
        gain = float(difference.mean()) + self.coverage_share * float(wider)
        return gain, float(difference.var()) / len(difference)


def judge(
    lists: IntArray, truth: sparse.csr_matrix, *, k: int, coverage_share: float = COVERAGE_SHARE
) -> Judged:
    """The lists, a row for each row of `truth`, as settings are judged by them."""
    recall, ndcg = shopper_quality(lists, truth, k=k)
    shown = np.unique(lists[np.diff(truth.indptr) > 0][:, :SHOWN])
    return Judged((recall + ndcg) / 2, len(shown), coverage_share)


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


def _falling_keys(scores: Scores) -> npt.NDArray[np.int64]:
    """Distinct integers that sort as the scores do from best to worst, then by column.

    The bits of a float, read as an integer, sort as the float does once those of a negative
    one are flipped. In place, because the arrays are as large as memory allows.
    """
    bits = (scores.astype(np.float32) + np.float32(0.0)).view(np.int32)
    bits ^= (bits >> 31) & np.int32(0x7FFFFFFF)
    keys = bits.astype(np.int64)
    np.negative(keys, out=keys)
    keys <<= 32
    keys |= np.arange(scores.shape[1])
    return keys
