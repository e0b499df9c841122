"""What would others recommend: well-known methods as pure functions of the same log.

Each returns scores, shoppers by items, for shoppers held out of a log. Their settings are
those of the published figures they are compared by; none is tuned on the test.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import sparse

from profiles.signals import SECONDS_PER_DAY
from recommendations.training.evaluation import ListQuality, list_quality, top_items
from recommendations.training.holdout import Holdout
from recommendations.training.log import InteractionLog

Scores = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]

RECENT_DAYS = 28
OWN_FADING_DAYS = 120
BASKET_FADING_DAYS = 90
EASE_RIDGE = 300.0


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A log up to the split, as the matrices that the methods start from.

    `counts` has the events of every shopper and item, `taken` 1 where there are any; `shoppers`
    are the rows that are asked for.
    """

    log: InteractionLog
    shoppers: npt.NDArray[np.int64]
    now: float
    counts: sparse.csr_matrix
    taken: sparse.csr_matrix

    @classmethod
    def of(cls, log: InteractionLog, holdout: Holdout) -> "Known":
        before = log.before(holdout.split_at)
        counts = _matrix(before, np.ones(len(before)))
        return cls(before, holdout.shoppers, holdout.split_at, counts, counts.sign())


@dataclass(frozen=True, slots=True)
class BaselineQuality:
    """Quality over all items; and over items new to the shopper, where the method has any."""

    all_items: ListQuality
    new_items: ListQuality | None


def measure_baselines(
    log: InteractionLog, holdout: Holdout, *, k: int = 20
) -> Iterator[tuple[str, BaselineQuality]]:
    """Name and quality of each method, one after the other: each may take seconds.

    `log` is the one `holdout` was made of. Costs n^3 time and a few n^2 matrices for n items.
    """
    known = Known.of(log, holdout)
    had = holdout.had.nonzero()
    for name, method, method_for_new in METHODS:
        scores = method(known)
        all_items = list_quality(top_items(scores, k), holdout.taken, k=k)
        new_items = None
        if method_for_new is not None:
            masked = (scores if method_for_new is method else method_for_new(known)).copy()
            masked[had] = -np.inf
            new_items = list_quality(top_items(masked, k), holdout.taken_new, k=k)
        yield name, BaselineQuality(all_items, new_items)


def most_popular(known: Known) -> Scores:
    """Events of the item."""
    return _for_everyone(known, _events(known.log))


def recently_popular(known: Known) -> Scores:
    """Events of the item in the last 28 days."""
    since = known.now - RECENT_DAYS * SECONDS_PER_DAY
    return _for_everyone(known, _events(known.log.since(since)))


def own_history(known: Known) -> Scores:
    """How often the shopper took the item; ties, and the rest, by popularity."""
    return _by_popularity(known, known.counts)


def own_fading_history(known: Known) -> Scores:
    """The same, an event counting e^(-age / 120 days)."""
    return _by_popularity(known, _fading(known, OWN_FADING_DAYS))


def cosine_neighbors(known: Known) -> Scores:
    """Item-kNN with the cosine of the items' sets of shoppers, all neighbors."""
    return _product(known.taken, known, _cosine(known.taken))


def bm25_neighbors(known: Known) -> Scores:
    """Item-item products of BM25-weighted sets of shoppers, as `implicit` has it (K1 .25, B .5).

    An item is the document and its shoppers the terms, without the item itself.
    """
    k1, b = 0.25, 0.5
    terms = known.taken.tocoo()
    length = np.asarray(known.taken.sum(axis=0)).ravel()
    rarity = np.log(known.taken.shape[1]) - np.log1p(np.diff(known.taken.indptr))
    norm = k1 * (1 - b + b * length / length.mean())
    weights = terms.data * (k1 + 1) / (norm[terms.col] + terms.data) * rarity[terms.row]
    weighted = sparse.csr_matrix((weights, (terms.row, terms.col)), shape=terms.shape)
    return _product(known.taken, known, _without_itself(_dense(weighted.T @ weighted)))


def basket_neighbors(known: Known) -> Scores:
    """Cosine of the items' sets of baskets, over a history that fades as e^(-age / 90 days).

    A basket is what one shopper took at one moment.
    """
    log = known.log
    _, basket = np.unique(np.stack([log.shopper, log.at]), axis=1, return_inverse=True)
    basket = basket.reshape(-1)
    baskets = sparse.csr_matrix(
        (np.ones(len(log)), (basket, log.item)),
        shape=(int(basket.max(initial=-1)) + 1, len(log.item_ids)),
    ).sign()
    return _product(_fading(known, BASKET_FADING_DAYS), known, _cosine(baskets))


@lru_cache(maxsize=1)
def ease(known: Known) -> Scores:
    """The closed-form linear autoencoder of Steck (2019), ridge 300. Kept for the sums below."""
    gram = _dense(known.taken.T @ known.taken)
    gram[np.diag_indices_from(gram)] += EASE_RIDGE
    inverse = np.linalg.inv(gram)
    return _product(known.taken, known, _without_itself(-inverse / np.diag(inverse)))


def hand_set_sum(known: Known) -> Scores:
    """Own fading history, EASE, BM25 and recent popularity by 1, .3, .3, .2, each over its top."""
    scores = (
        _of_top(_asked(known, _fading(known, OWN_FADING_DAYS)).toarray().astype(np.float32))
        + np.float32(0.3) * _of_top(ease(known))
        + np.float32(0.3) * _of_top(bm25_neighbors(known))
        + np.float32(0.2) * _of_top(recently_popular(known))
    )
    return np.asarray(scores, dtype=np.float32)


def hand_set_sum_for_new(known: Known) -> Scores:
    """The same without the history: EASE, BM25 and recent popularity by 1, .5, .5."""
    scores = (
        _of_top(ease(known))
        + np.float32(0.5) * _of_top(bm25_neighbors(known))
        + np.float32(0.5) * _of_top(recently_popular(known))
    )
    return np.asarray(scores, dtype=np.float32)


Method = Callable[[Known], Scores]

METHODS: tuple[tuple[str, Method, Method | None], ...] = (
    ("most popular", most_popular, most_popular),
    ("most popular of the last 28 days", recently_popular, recently_popular),
    ("own history by frequency", own_history, None),
    ("own history, 120-day decay", own_fading_history, None),
    ("item-kNN, cosine", cosine_neighbors, cosine_neighbors),
    ("item-item BM25", bm25_neighbors, bm25_neighbors),
    ("basket co-occurrence, 90-day decay", basket_neighbors, basket_neighbors),
    ("EASE", ease, ease),
    ("hand-set sum", hand_set_sum, hand_set_sum_for_new),
)


def _matrix(log: InteractionLog, weights: npt.NDArray[np.float64]) -> sparse.csr_matrix:
    """Shoppers by items, the weights of the events of a cell added up."""
    shape = (len(log.shopper_ids), len(log.item_ids))
    return sparse.csr_matrix((weights, (log.shopper, log.item)), shape=shape)


def _fading(known: Known, days: float) -> sparse.csr_matrix:
    age_days = (known.now - known.log.at) / SECONDS_PER_DAY
    return _matrix(known.log, np.exp(-age_days / days))


def _events(log: InteractionLog) -> npt.NDArray[np.float64]:
    return np.bincount(log.item, minlength=len(log.item_ids)).astype(np.float64)


def _asked(known: Known, matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    return matrix[known.shoppers].astype(np.float32)


def _product(history: sparse.csr_matrix, known: Known, neighbors: Scores) -> Scores:
    return np.asarray(_asked(known, history) @ neighbors, dtype=np.float32)


def _for_everyone(known: Known, scores: npt.NDArray[np.float64]) -> Scores:
    return np.tile(scores.astype(np.float32), (len(known.shoppers), 1))


def _by_popularity(known: Known, history: sparse.csr_matrix) -> Scores:
    popularity = _events(known.log)
    # Small enough to settle ties only, large enough for the precision of a float32 near 1.
    ties = 1e-4 * popularity / max(float(popularity.max(initial=0.0)), 1.0)
    return np.asarray(_asked(known, history).toarray() + ties.astype(np.float32), dtype=np.float32)


def _dense(matrix: sparse.spmatrix) -> Matrix:
    return np.asarray(matrix.toarray(), dtype=np.float64)


def _cosine(taken: sparse.csr_matrix) -> Scores:
    together = _dense(taken.T @ taken)
    norm = np.sqrt(np.where(np.diag(together) > 0, np.diag(together), 1.0))
    return _without_itself(together / norm / norm[:, None])


def _without_itself(weights: Matrix) -> Scores:
    np.fill_diagonal(weights, 0.0)
    return weights.astype(np.float32)


def _of_top(scores: Scores) -> Scores:
    top = scores.max(axis=1, keepdims=True, initial=0.0)
    return np.asarray(scores / np.where(top > 0, top, 1.0), dtype=np.float32)
