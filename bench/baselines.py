"""What would others recommend: well-known methods as pure functions of the same log.

Each returns scores, shoppers by items, for shoppers held out of a log. Their settings are those of
the published figures they are compared by, and for factorization the best of a grid on the 28 days
before the split; none is tuned on the test.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import numpy.typing as npt
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender
from scipy import sparse

from profiles.signals import SECONDS_PER_DAY
from recommendations.training.evaluation import ListQuality, list_quality, top_items
from recommendations.training.holdout import Holdout, hold_out
from recommendations.training.log import InteractionLog

Scores = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]
Lists = npt.NDArray[np.int64]

RECENT_DAYS = 28
OWN_FADING_DAYS = 120
BASKET_FADING_DAYS = 90
EASE_RIDGE = 300.0
ORDERED_WINDOW = 5
ALS_GRID = tuple(product((64, 128), (0.1, 10.0), (1.0, 10.0)))
"""Factors, regularization, and how much a purchase counts against an absent one."""

SEED = 7
COVERAGE_K = 10


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
    """Quality over all items; and over items new to the shopper, where the method has any.

    `coverage` is the share of items that are among the first ten of any shopper's, likewise.
    """

    all_items: ListQuality
    new_items: ListQuality | None
    all_coverage: float
    new_coverage: float | None


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
        all_lists, new_lists = top_items(scores, k), None
        if method_for_new is not None:
            masked = (scores if method_for_new is method else method_for_new(known)).copy()
            masked[had] = -np.inf
            new_lists = top_items(masked, k)
        yield name, quality_of(all_lists, new_lists, holdout.taken, holdout.taken_new, k=k)


def quality_of(
    all_lists: Lists,
    new_lists: Lists | None,
    taken: sparse.csr_matrix,
    taken_new: sparse.csr_matrix,
    *,
    k: int,
) -> BaselineQuality:
    """The quality of lists of `k` items, a row a shopper in the order of what they took."""
    if new_lists is None:
        return BaselineQuality(
            list_quality(all_lists, taken, k=k), None, _coverage(all_lists, taken), None
        )
    return BaselineQuality(
        list_quality(all_lists, taken, k=k),
        list_quality(new_lists, taken_new, k=k),
        _coverage(all_lists, taken),
        _coverage(new_lists, taken_new),
    )


def _coverage(lists: Lists, taken: sparse.csr_matrix) -> float:
    return list_quality(lists, taken, k=COVERAGE_K).coverage


def measure_buying_again(
    log: InteractionLog, holdout: Holdout, *, k: int = 20
) -> Iterator[tuple[str, ListQuality]]:
    """How well methods order what each shopper has by what they take again."""
    known = Known.of(log, holdout)
    had = holdout.had.toarray() > 0
    again = holdout.taken.multiply(holdout.had).tocsr()
    for name, method in BUY_AGAIN_METHODS:
        scores = np.where(had, method(known), -np.inf).astype(np.float32)
        yield name, list_quality(top_items(scores, k), again, k=k)


def measure_complements(
    log: InteractionLog,
    holdout: Holdout,
    given: sparse.csr_matrix,
    withheld: sparse.csr_matrix,
    *,
    k: int = 20,
) -> Iterator[tuple[str, ListQuality]]:
    """How well methods find the item withheld of each basket, given the others."""
    known = Known.of(log, holdout)
    everyone = np.zeros(given.shape[0], dtype=np.int64)
    popular, recent = _events(known.log), recently_popular(known)[:1]
    for name, scores in (
        ("most popular", np.tile(popular, (given.shape[0], 1))),
        ("most popular of the last 28 days", recent[everyone]),
        ("item-kNN, cosine", given @ _cosine(known.taken)),
        ("basket co-occurrence, cosine", given @ _cosine(_baskets(known.log))),
        ("EASE", given @ _ease_weights(known)),
    ):
        masked = np.asarray(scores, dtype=np.float32).copy()
        masked[given.nonzero()] = -np.inf
        yield name, list_quality(top_items(masked, k), withheld, k=k)


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
    """Item-item BM25 of `implicit` with all neighbors (K1 .25, B .5), without the item itself."""
    model = BM25Recommender(K=known.taken.shape[1], K1=0.25, B=0.5, num_threads=1)
    model.fit(known.taken.astype(np.float64).tocsr(), show_progress=False)
    return _product(known.taken, known, _without_itself(_dense(model.similarity)))


def factorization(known: Known) -> Scores:
    """ALS of `implicit` (Hu, Koren, Volinsky 2008), the best of a grid on the 28 days before."""
    factors, regularization, alpha = _best_als(known)
    return _als(known, factors, regularization, alpha)


def _best_als(known: Known) -> tuple[int, float, float]:
    """The setting with the best nDCG@20 on the last 28 days before the split."""
    window = hold_out(known.log, split_at=known.now - RECENT_DAYS * SECONDS_PER_DAY)
    earlier = Known.of(known.log, window)
    worth = {
        setting: list_quality(top_items(_als(earlier, *setting), 20), window.taken, k=20).ndcg
        for setting in ALS_GRID
    }
    return max(worth, key=lambda setting: worth[setting])


def _als(known: Known, factors: int, regularization: float, alpha: float) -> Scores:
    model = AlternatingLeastSquares(
        factors=factors, regularization=regularization, alpha=alpha, iterations=10,
        num_threads=1, random_state=SEED,
    )  # fmt: skip
    model.fit(known.counts.log1p().astype(np.float32).tocsr(), show_progress=False)
    return np.asarray(model.user_factors[known.shoppers] @ model.item_factors.T, dtype=np.float32)


def ordered_neighbors(known: Known) -> Scores:
    """What came within five events after an item, by 1 / distance, over a fading history.

    Over the roots of how often both items were taken; what shares a time stamp is put in a seeded
    order.
    """
    log = known.log
    lot = np.random.default_rng(SEED).random(len(log))
    order = np.lexsort((lot, log.at, log.shopper))
    shopper, item = log.shopper[order], log.item[order]
    size = len(log.item_ids)
    follows = sparse.csr_matrix((size, size))
    for distance in range(1, ORDERED_WINDOW + 1):
        same = shopper[:-distance] == shopper[distance:]
        pairs = item[:-distance][same], item[distance:][same]
        weight = np.full(int(same.sum()), 1.0 / distance)
        follows = follows + sparse.csr_matrix((weight, pairs), shape=(size, size))
    norm = np.sqrt(np.maximum(_events(log), 1.0))
    weights = _without_itself(_dense(follows) / norm / norm[:, None])
    return _product(_fading(known, BASKET_FADING_DAYS), known, weights)


def basket_neighbors(known: Known) -> Scores:
    """Cosine of the items' sets of baskets, over a history that fades as e^(-age / 90 days).

    A basket is what one shopper took at one moment.
    """
    return _product(_fading(known, BASKET_FADING_DAYS), known, _cosine(_baskets(known.log)))


def _baskets(log: InteractionLog) -> sparse.csr_matrix:
    _, basket = np.unique(np.stack([log.shopper, log.at]), axis=1, return_inverse=True)
    basket = basket.reshape(-1)
    return sparse.csr_matrix(
        (np.ones(len(log)), (basket, log.item)),
        shape=(int(basket.max(initial=-1)) + 1, len(log.item_ids)),
    ).sign()


@lru_cache(maxsize=1)
def ease(known: Known) -> Scores:
    """The closed-form linear autoencoder of Steck (2019), ridge 300. Kept for the sums below."""
    return _product(known.taken, known, _ease_weights(known))


def _ease_weights(known: Known) -> Scores:
    gram = _dense(known.taken.T @ known.taken)
    gram[np.diag_indices_from(gram)] += EASE_RIDGE
    inverse = np.linalg.inv(gram)
    return _without_itself(-inverse / np.diag(inverse))


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
    ("ordered co-occurrence, 90-day decay", ordered_neighbors, ordered_neighbors),
    ("ALS, tuned", factorization, factorization),
    ("EASE", ease, ease),
    ("hand-set sum", hand_set_sum, hand_set_sum_for_new),
)

BUY_AGAIN_METHODS: tuple[tuple[str, Method], ...] = (
    ("most popular", most_popular),
    ("most popular of the last 28 days", recently_popular),
    ("own history by frequency", own_history),
    ("own history, 120-day decay", own_fading_history),
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
