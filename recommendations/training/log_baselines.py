"""What well-known models make of a log: popularity, and those of `implicit` where it is there."""

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy import sparse

from recommendations.training.counting import popularity
from recommendations.training.log_evaluation import Scorer, Scores
from recommendations.training.sequences import IntArray, Sequences

RECENT_SHARE = 0.1

Fit = Callable[[Sequences], Scorer]


def baselines(*, seed: int) -> Iterator[tuple[str, Fit]]:
    """Name and training of each; `implicit` is a tool of developers and may not be installed."""
    yield "popularity", _popular
    yield "recent popularity", _recently_popular
    if importlib.util.find_spec("implicit") is None:
        return
    nearest = importlib.import_module("implicit.nearest_neighbours")
    yield "implicit cosine", _of_implicit(lambda: nearest.CosineRecommender(K=100))
    yield "implicit BM25", _of_implicit(lambda: nearest.BM25Recommender(K=100))
    als = importlib.import_module("implicit.als")
    yield (
        "implicit ALS",
        _of_implicit(
            lambda: als.AlternatingLeastSquares(
                factors=128, regularization=0.05, alpha=5, iterations=15, random_state=seed
            )
        ),
    )


def _popular(sequences: Sequences) -> Scorer:
    return _for_everyone(popularity(sequences))


def _recently_popular(sequences: Sequences) -> Scorer:
    if not len(sequences):
        return _for_everyone(popularity(sequences))
    since = np.quantile(sequences.at, 1 - RECENT_SHARE)
    return _for_everyone(popularity(sequences.where(sequences.at >= since)))


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
