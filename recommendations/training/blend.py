"""Which recipe suits this shop: settings chosen one after the other on held-out days."""

import math
from dataclasses import replace

import numpy as np
from scipy import sparse

from recommendations.scoring import Blend, BlendName
from recommendations.training.histories import FloatArray
from recommendations.training.holdout import Holdout
from recommendations.training.knobs import BOTH, Lists, knobs, neighbor_recipes
from recommendations.training.log import InteractionLog
from recommendations.training.neighbors import NeighborRecipe, learn_neighbors, with_momentum
from recommendations.training.popularity import item_facts
from recommendations.training.ranker import POOL, Scores, blended, neighbor_scores, own_scores
from recommendations.training.recipe import Recipe, TrainingParams

MIN_GAIN = 0.002
"""A setting is changed only for a gain above this, relatively, and above its standard error."""
ROUNDS = 2
"""Settings depend on each other a little, so each is visited twice."""

Worth = dict[BlendName, FloatArray]


class Trial:
    """Everything learned before a split, to try recipes on the shoppers held out after it."""

    def __init__(self, log: InteractionLog, holdout: Holdout, params: TrainingParams) -> None:
        self._log = log.before(holdout.split_at)
        self._holdout = holdout
        self._params = params
        self._facts = item_facts(self._log, now=holdout.split_at)
        self._pools: dict[NeighborRecipe, sparse.csr_matrix] = {}
        self._latest: tuple[object, Scores] | None = None
        self._latest_neighbors: tuple[object, sparse.csr_matrix] | None = None

    def worth(self, recipe: Recipe, lists: Lists) -> Worth:
        """How good each of the lists is for each shopper: the mean of recall and nDCG."""
        k, worth = self._params.k, Worth()
        if "home" in lists:
            worth["home"] = self._holdout.all_worth(self._scores(recipe, "home"), k=k)
        if "discovery" in lists:
            scores = self._scores(recipe, "discovery")
            worth["discovery"] = self._holdout.new_worth(scores, k=k)
        return worth

    def _scores(self, recipe: Recipe, name: BlendName) -> Scores:
        blend = recipe.scoring.blend(name)
        own = own_scores(self._holdout.histories, recipe.scoring, blend, now=self._holdout.split_at)
        return blended(
            self._neighbor_scores(recipe, blend),
            own * self._facts.repeat(recipe.repeat_power).astype(np.float32),
            popularity=self._facts.popularity.astype(np.float32),
            trend=self._facts.trend.astype(np.float32),
            blend=blend,
        )

    def _neighbor_scores(self, recipe: Recipe, blend: Blend) -> Scores:
        """The costly part. Most knobs leave it alone, so the latest is kept."""
        scoring = recipe.scoring
        key = (
            recipe.neighbors,
            recipe.momentum,
            scoring.saturation,
            scoring.recency_half_life_days,
            tuple(sorted(scoring.kind_weights.items())),
            (blend.history, blend.session),
        )
        if self._latest is None or self._latest[0] != key:
            scores = neighbor_scores(
                self._holdout.histories,
                self._neighbors(recipe.neighbors, recipe.momentum),
                scoring,
                blend,
                now=self._holdout.split_at,
            )
            self._latest = (key, scores)
        return self._latest[1]

    def _neighbors(self, how: NeighborRecipe, momentum: float) -> sparse.csr_matrix:
        key = (how, momentum)
        if self._latest_neighbors is None or self._latest_neighbors[0] != key:
            factor = self._facts.momentum**momentum
            neighbors = with_momentum(self._pool(how), factor, keep=self._params.keep)
            self._latest_neighbors = (key, neighbors)
        return self._latest_neighbors[1]

    def _pool(self, neighbors: NeighborRecipe) -> sparse.csr_matrix:
        if neighbors not in self._pools:
            self._pools[neighbors] = learn_neighbors(
                self._log,
                neighbors,
                now=self._holdout.split_at,
                keep=POOL * self._params.keep,
                seed=self._params.seed,
            )
        return self._pools[neighbors]


def choose_recipe(
    log: InteractionLog, holdout: Holdout, params: TrainingParams, *, start: Recipe
) -> Recipe:
    """The recipe that does best on the held-out shoppers, searched from `start`.

    One setting at a time, first how neighbors are learned, then the knobs in turn. With fewer
    than `min_shoppers` held out it is `start`: nothing can be told apart.
    """
    if len(holdout.shoppers) < params.min_shoppers:
        return start
    cells = max(params.max_cells // max(len(log.item_ids), 1), 1)
    sample = holdout.sample(min(params.max_shoppers, cells), seed=params.seed)
    trial = Trial(log, sample, params)
    ways = neighbor_recipes(len(log.item_ids), params)
    recipe = _best_of(trial, start, [replace(start, neighbors=way) for way in ways], BOTH)
    for _ in range(ROUNDS):
        before = recipe
        for knob in knobs(log.occurring_kinds()):
            turned = [knob.turn(recipe, value) for value in knob.values]
            recipe = _best_of(trial, recipe, turned, knob.lists)
        if recipe == before:
            break
    return recipe


def _best_of(trial: Trial, recipe: Recipe, others: list[Recipe], lists: Lists) -> Recipe:
    """The best of some recipes that differ from `recipe` in these lists, or itself."""
    held = trial.worth(recipe, lists)
    chosen, best = recipe, MIN_GAIN
    for other in others:
        if other == recipe:
            continue
        gain, error = _gain(held, trial.worth(other, lists))
        if gain > max(best, error):
            chosen, best = other, gain
    return chosen


def _gain(held: Worth, tried: Worth) -> tuple[float, float]:
    """Relative gain and its standard error, from the differences shopper by shopper.

    The lists count alike, although repeats are easier to foresee than discoveries.
    """
    gains, variances = [], []
    for name, before in held.items():
        if not len(before):
            continue
        difference = (tried[name] - before) / max(float(before.mean()), 1e-6)
        gains.append(float(difference.mean()))
        variances.append(float(difference.var()) / len(difference))
    if not gains:
        return 0.0, 0.0
    return math.fsum(gains) / len(gains), math.sqrt(math.fsum(variances)) / len(gains)
