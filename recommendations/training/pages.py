"""What goes with the item on a page, or with a cart: lists taken apart to learn their weights."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from profiles.signals import SignalKind
from recommendations.scoring import CONSIDERED_KINDS, Blend
from recommendations.training.baskets import Baskets, baskets_of
from recommendations.training.complements import learn_complements
from recommendations.training.histories import fold_log
from recommendations.training.log import IntArray, InteractionLog
from recommendations.training.popularity import ItemFacts
from recommendations.training.recipe import Recipe, TrainingParams
from recommendations.training.weights import HISTORY, Parts

Vectors = npt.NDArray[np.float32]

MIN_LISTS = 100
"""With fewer baskets held out nothing is learned from them."""


@dataclass(frozen=True, slots=True)
class Pages:
    """Baskets of the held-out days, taken apart: what was `given`, and what it led to.

    Rows are baskets; `shopper` indexes the shoppers of the log.
    """

    given: sparse.csr_matrix
    truth: sparse.csr_matrix
    shopper: IntArray


def carts(log: InteractionLog, *, split_at: float, most: int, seed: int) -> Pages | None:
    """Held-out baskets without one item, drawn at random, which is what is asked for."""
    return _pages(baskets_of(log.since(split_at), seed=seed), most=most, seed=seed, one_asked=True)


def visits(log: InteractionLog, *, split_at: float, most: int, seed: int) -> Pages | None:
    """Held-out visits of which one item is given; what else was looked at is asked for.

    None for a log of purchases only: that says what goes with an item, and nothing of what is
    looked at beside it.
    """
    if not log.occurring_kinds() & CONSIDERED_KINDS:
        return None
    looked_at = log.since(split_at).of_kinds(CONSIDERED_KINDS)
    return _pages(baskets_of(looked_at, seed=seed), most=most, seed=seed, one_asked=False)


def cart_parts(
    pages: Pages, log: InteractionLog, recipe: Recipe, params: TrainingParams, *, split_at: float
) -> Mapping[str, npt.NDArray[np.float32]]:
    """The parts that the complements learned before the split speak for."""
    before = log.before(split_at)
    complements = learn_complements(
        baskets_of(before, seed=params.seed), now=split_at, keep=params.keep_complements
    )
    return _by_neighbors(
        pages, before, complements, recipe, SignalKind.CART_ITEM, split_at=split_at
    )


def item_parts(
    pages: Pages,
    log: InteractionLog,
    neighbors: sparse.csr_matrix,
    recipe: Recipe,
    *,
    split_at: float,
) -> Mapping[str, npt.NDArray[np.float32]]:
    """The parts that the neighbors learned before the split speak for."""
    return _by_neighbors(
        pages, log.before(split_at), neighbors, recipe, SignalKind.CONTEXT_ITEM, split_at=split_at
    )


def page_parts(
    pages: Pages,
    kind_weight: float,
    by_neighbors: Mapping[str, npt.NDArray[np.float32]],
    facts: ItemFacts,
    content: Vectors | None,
) -> Parts:
    """All parts of a page's lists; what was given is not to be shown."""
    parts = {
        **by_neighbors,
        "popularity": facts.popularity[None].astype(np.float32),
        "trend": facts.trend[None].astype(np.float32),
    }
    if content is not None:
        alike = np.float32(kind_weight) * (pages.given @ content) @ content.T
        parts["content"] = np.asarray(alike, dtype=np.float32)
    return Parts(parts, pages.truth, pages.given.toarray() == 0)


def _by_neighbors(
    pages: Pages,
    before: InteractionLog,
    neighbors: sparse.csr_matrix,
    recipe: Recipe,
    kind: SignalKind,
    *,
    split_at: float,
) -> Mapping[str, npt.NDArray[np.float32]]:
    scoring = recipe.scoring
    pages_weight = np.float32(scoring.kind_weights.get(kind, 0.0))
    everyone = fold_log(before).weights(scoring, Blend(), now=split_at)
    return {
        "neighbors": pages_weight * _product(pages.given, neighbors),
        HISTORY: _product(everyone[pages.shopper], neighbors),
    }


def _product(rows: sparse.csr_matrix, neighbors: sparse.csr_matrix) -> npt.NDArray[np.float32]:
    return np.asarray((rows @ neighbors).toarray(), dtype=np.float32)


def _pages(baskets: Baskets, *, most: int, seed: int, one_asked: bool) -> Pages | None:
    if len(baskets) < MIN_LISTS:
        return None
    random = np.random.default_rng(seed)
    rows = np.sort(random.permutation(len(baskets))[:most])
    baskets = baskets.rows(rows)
    items = baskets.items
    starts, sizes = items.indptr[:-1], np.diff(items.indptr)
    drawn = starts + (random.random(len(sizes)) * sizes).astype(np.int64)
    only = sparse.csr_matrix(
        (np.ones(len(drawn), dtype=np.float32), (np.arange(len(drawn)), items.indices[drawn])),
        shape=items.shape,
    )
    rest = (items - only).tocsr()
    rest.eliminate_zeros()
    given, truth = (rest, only) if one_asked else (only, rest)
    return Pages(given, truth, baskets.shopper)
