"""What does a ranker know: neighbors and facts per item, and the scores they give."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from profiles.signals import HISTORY_KINDS
from recommendations.scoring import (
    CONSIDERED_KINDS,
    Blend,
    BlendName,
    Neighbors,
    ScoringParams,
)
from recommendations.training.histories import Histories
from recommendations.training.log import IntArray, InteractionLog
from recommendations.training.neighbors import (
    FloatArray,
    NeighborRecipe,
    Pairs,
    count_log,
    leads_of,
    row_scale,
    weighed,
    with_momentum,
)
from recommendations.training.popularity import item_facts
from recommendations.training.recipe import Recipe

POOL = 4
"""Neighbors learned per item before momentum picks among them, as a multiple of those kept."""

TAKEN_OR_RETURNED = HISTORY_KINDS - CONSIDERED_KINDS
"""Kinds that speak of buying their item again, or against it."""

Scores = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Ranker:
    """What one recipe learned from one log. Everything is in the order of `item_ids`.

    `neighbors` is items by items, float32, each row strongest first; `popularity` and `trend`
    are in 0-1; `repeat` is 1 for the average item. `pairs` is what `neighbors` was learned from,
    `lean` the momentum that multiplied it and `scale` what then divided it.
    """

    item_ids: IntArray
    neighbors: sparse.csr_matrix
    popularity: Vector
    trend: Vector
    repeat: Vector
    recipe: Recipe
    pairs: Pairs
    lean: FloatArray
    scale: float

    def rows(self) -> Iterator[tuple[int, Neighbors]]:
        """Per item, by id, what the live pipeline needs to know of it as part of a history."""
        bounds = self.neighbors.indptr
        for index, item in enumerate(self.item_ids.tolist()):
            row = slice(bounds[index], bounds[index + 1])
            yield (
                item,
                Neighbors(
                    items=self.item_ids[self.neighbors.indices[row]],
                    weights=self.neighbors.data[row],
                    repeat=float(self.repeat[index]),
                ),
            )

    def scores(self, histories: Histories, name: BlendName, *, now: float) -> Scores:
        """Shoppers by items: what `recommendations.scoring.score_history` adds up to."""
        params = self.recipe.scoring
        blend = params.blend(name)
        return blended(
            neighbor_scores(histories, self.neighbors, params, blend, now=now),
            own_scores(histories, params, blend, now=now) * self.repeat,
            popularity=self.popularity,
            trend=self.trend,
            blend=blend,
        )


def learn(log: InteractionLog, recipe: Recipe, *, now: float, keep: int, seed: int) -> Ranker:
    """What a recipe makes of the events before `now`; equal input gives an equal ranker."""
    log = log.before(now)
    facts = item_facts(log, now=now)
    pairs = count_log(log, recipe.neighbors, now=now, seed=seed)
    lean = facts.momentum**recipe.momentum
    leads = leads_of(pairs.counts, pairs.factor(recipe.neighbors), keep=POOL * keep)
    unscaled = neighbors_of(leads, lean, recipe.neighbors, keep=keep, scale=1.0)
    scale = row_scale(unscaled)
    unscaled.data = (unscaled.data / scale).astype(np.float32)
    return Ranker(
        item_ids=log.item_ids,
        neighbors=unscaled,
        popularity=facts.popularity.astype(np.float32),
        trend=facts.trend.astype(np.float32),
        repeat=facts.repeat(recipe.repeat_power).astype(np.float32),
        recipe=recipe,
        pairs=pairs,
        lean=lean,
        scale=scale,
    )


def neighbors_of(
    leads: sparse.csr_matrix, lean: FloatArray, recipe: NeighborRecipe, *, keep: int, scale: float
) -> sparse.csr_matrix:
    """Rows of neighbors, of what their `POOL` times `keep` strongest pairs lead by.

    The one way from counts to neighbors, of a full fit and of an update.
    """
    return with_momentum(weighed(leads, recipe), lean, keep=keep, scale=scale)


def neighbor_scores(
    histories: Histories,
    neighbors: sparse.csr_matrix,
    params: ScoringParams,
    blend: Blend,
    *,
    now: float,
) -> Scores:
    """Shoppers by items: the history's weights times the neighbors."""
    product = histories.weights(params, blend, now=now) @ neighbors
    return np.asarray(product.toarray(), dtype=np.float32)


def own_scores(histories: Histories, params: ScoringParams, blend: Blend, *, now: float) -> Scores:
    """Shoppers by items: what an item's own history is worth, before its `repeat`."""
    owned = histories.weights(params, blend, now=now, kinds=TAKEN_OR_RETURNED)
    considered = histories.weights(params, blend, now=now, kinds=CONSIDERED_KINDS)
    both = blend.buy_again * owned + blend.revisit * considered
    return np.asarray(both.toarray(), dtype=np.float32)


def blended(
    neighbors: Scores, own: Scores, *, popularity: Vector, trend: Vector, blend: Blend
) -> Scores:
    """The parts of the score put together. `own` has its weights in it already."""
    facts = blend.popularity * popularity + blend.trend * trend
    return np.asarray(blend.neighbors * neighbors + own + facts, dtype=np.float32)
