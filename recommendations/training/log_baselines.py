"""What well-known models make of a log: popularity, EASE, and `implicit` where it is there."""

import importlib
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from scipy import sparse

from recommendations.training.counting import popularity
from recommendations.training.log_evaluation import Scorer, Scores, leave_last_out, measured
from recommendations.training.sequences import IntArray, Sequences

RECENT_SHARE = 0.1
EASE_ITEMS, EASE_RIDGE = 10_000, 300.0
"""EASE solves for all items at once: n^3 time and n^2 memory, so not for more than so many."""

AlsSettings = tuple[int, float, float]
ALS_TRIED: tuple[AlsSettings, ...] = tuple(product((32, 64, 128), (0.05,), (1.0, 5.0, 20.0)))
"""Factors, regularization and alpha, of which the best is chosen as ours are: on last items."""

Fit = Callable[[Sequences], Scorer | None]
"""Training on a log; None where the model does not fit the log."""


def baselines(*, seed: int) -> Iterator[tuple[str, Fit]]:
    """Name and training of each; `implicit` is a tool of developers and may not be installed."""
    yield "popularity", _popular
    yield "recent popularity", _recently_popular
    yield "EASE", _ease
    if importlib.util.find_spec("implicit") is None:
        return
    nearest = importlib.import_module("implicit.nearest_neighbours")
    yield "implicit cosine", _of_implicit(lambda: nearest.CosineRecommender(K=100))
    yield "implicit BM25", _of_implicit(lambda: nearest.BM25Recommender(K=100))
    als = importlib.import_module("implicit.als")
    yield "implicit ALS, tuned", _tuned(partial(_als, als.AlternatingLeastSquares, seed), ALS_TRIED)


def _als(make: Callable[..., Any], seed: int, factors: int, penalty: float, alpha: float) -> Fit:
    return _of_implicit(
        lambda: make(
            factors=factors,
            regularization=penalty,
            alpha=alpha,
            iterations=15,
            random_state=seed,
        )
    )


def _tuned(fit_with: Callable[[int, float, float], Fit], tried: Sequence[AlsSettings]) -> Fit:
    """What ranks the last new item of each history of the log highest, learned from all of it."""

    def fit(sequences: Sequences) -> Scorer | None:
        split = leave_last_out(sequences, masked=True)
        best, worth = tried[0], -1.0
        for settings in tried if len(split.asked) else ():
            scorer = fit_with(*settings)(split.train)
            found = measured(split, scorer, masked=True).ndcg_10 if scorer else -1.0
            if found > worth:
                best, worth = settings, found
        return fit_with(*best)(sequences)

    return fit


def _popular(sequences: Sequences) -> Scorer:
    return _for_everyone(popularity(sequences))


def _recently_popular(sequences: Sequences) -> Scorer:
    if not len(sequences):
        return _for_everyone(popularity(sequences))
    since = np.quantile(sequences.at, 1 - RECENT_SHARE)
    return _for_everyone(popularity(sequences.where(sequences.at >= since)))


def _ease(sequences: Sequences) -> Scorer | None:
    """Steck's EASE; None where there are too many items."""
    if not 0 < sequences.items <= EASE_ITEMS:
        return None
    taken = _taken(sequences)
    gram = np.asarray((taken.T @ taken).toarray(), dtype=np.float64)
    gram[np.diag_indices_from(gram)] += EASE_RIDGE
    inverse = np.linalg.inv(gram)
    learned = (-inverse / np.diag(inverse)).astype(np.float32)
    np.fill_diagonal(learned, 0.0)

    def scorer(histories: Sequences, asked: IntArray) -> Scores:
        return np.asarray(_taken(histories) @ learned, dtype=np.float32)

    return scorer


def _for_everyone(scores: np.ndarray[Any, Any]) -> Scorer:
    def scorer(histories: Sequences, asked: IntArray) -> Scores:
        return np.tile(scores.astype(np.float32), (histories.shoppers, 1))

    return scorer


def _of_implicit(make: Callable[[], Any]) -> Fit:
    def fit(sequences: Sequences) -> Scorer:
        model = make()
        model.fit(_taken(sequences), show_progress=False)

        def scorer(histories: Sequences, asked: IntArray) -> Scores:
            if hasattr(model, "similarity"):
                similar = sparse.csr_matrix(model.similarity)
                product = _taken(histories).astype(np.float64) @ similar.T
                return np.asarray(product.toarray(), dtype=np.float32)
            return np.asarray(model.user_factors[asked] @ model.item_factors.T, dtype=np.float32)

        return scorer

    return fit


def _taken(sequences: Sequences) -> sparse.csr_matrix:
    taken = sparse.csr_matrix(
        (np.ones(len(sequences), dtype=np.float32), (sequences.shopper, sequences.item)),
        shape=(sequences.shoppers, sequences.items),
    )
    taken.data[:] = 1
    return taken
