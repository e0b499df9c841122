"""Which recipe suits this shop: settings chosen one after the other on held-out days."""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from profiles.signals import SECONDS_PER_DAY, SignalKind
from recommendations.scoring import CONTENT_WINDOW_DAYS, Blend, BlendName
from recommendations.training.evaluation import DISCOVERY_SHARE, Judged
from recommendations.training.holdout import Holdout
from recommendations.training.knobs import Knob, Lists, knobs, neighbor_knobs
from recommendations.training.log import InteractionLog
from recommendations.training.neighbors import (
    NeighborRecipe,
    Pairs,
    count_log,
    pool_of,
    with_momentum,
)
from recommendations.training.pages import cart_parts, carts, item_parts, page_parts, visits
from recommendations.training.popularity import item_facts
from recommendations.training.ranker import POOL, Scores, blended, neighbor_scores, own_scores
from recommendations.training.recipe import Recipe, TrainingParams
from recommendations.training.weights import Parts, better_blend

MIN_GAIN = 0.002
"""A setting is changed only for a gain above this, relatively, and above its standard error."""
ROUNDS = 2
"""Settings depend on each other a little, so each is visited twice."""

LEARNED: tuple[BlendName, ...] = ("home", "discovery", "buy_again", "item", "cart")
"""The blends whose question the log can answer."""

ONLY_TAKEN = Blend(buy_again=1.0)
ONLY_SEEN = Blend(revisit=1.0)

Worth = dict[BlendName, Judged]
Vectors = npt.NDArray[np.float32]


class Trial:
    """Everything learned before a split, to try recipes on the shoppers held out after it."""

    def __init__(
        self,
        log: InteractionLog,
        holdout: Holdout,
        params: TrainingParams,
        *,
        content: Vectors | None = None,
    ) -> None:
        self._whole_log = log
        self._log = log.before(holdout.split_at)
        self._content = content
        self._holdout = holdout
        self._params = params
        self._facts = item_facts(self._log, now=holdout.split_at)
        self._pools: dict[NeighborRecipe, sparse.csr_matrix] = {}
        self._latest_pairs: tuple[NeighborRecipe, Pairs] | None = None
        self._latest: tuple[object, Scores] | None = None
        self._latest_neighbors: tuple[object, sparse.csr_matrix] | None = None

    def worth(self, recipe: Recipe, lists: Lists) -> Worth:
        """How good each of the lists is for the shoppers held out."""
        k, worth = self._params.k, Worth()
        if "home" in lists:
            worth["home"] = self._holdout.judge_all(self._scores(recipe, "home"), k=k)
        if "buy_again" in lists:
            parts = self.parts(recipe, "buy_again")
            worth["buy_again"] = parts.judge(recipe.scoring.buy_again, k=k)
        if "discovery" in lists:
            scores = self._scores(recipe, "discovery")
            worth["discovery"] = self._holdout.judge_new(scores, k=k)
        return worth

    def parts(self, recipe: Recipe, name: BlendName) -> Parts:
        """The held-out shoppers' lists, taken apart by what a blend weighs."""
        holdout, scoring, blend = self._holdout, recipe.scoring, recipe.scoring.blend(name)
        repeat = self._facts.repeat(recipe.repeat_power).astype(np.float32)
        parts = {
            "neighbors": self._neighbor_scores(recipe, blend),
            "buy_again": own_scores(holdout.histories, scoring, ONLY_TAKEN, now=holdout.split_at)
            * repeat,
            "revisit": own_scores(holdout.histories, scoring, ONLY_SEEN, now=holdout.split_at)
            * repeat,
            "popularity": self._facts.popularity[None].astype(np.float32),
            "trend": self._facts.trend[None].astype(np.float32),
        }
        if self._content is not None and name != "buy_again":
            parts["content"] = self._content_scores(recipe, blend, self._content)
        if name == "home":
            return Parts(parts, holdout.taken)
        had = holdout.had.toarray() > 0
        if name == "discovery":
            del parts["buy_again"]
            return Parts(parts, holdout.taken_new, ~had, coverage_share=DISCOVERY_SHARE)
        return Parts(parts, holdout.taken.multiply(holdout.had).tocsr(), had)

    def page_parts(self, recipe: Recipe, name: BlendName) -> Parts | None:
        """Pages or carts of the held-out days, taken apart; None where there are too few."""
        split_at, seed = self._holdout.split_at, self._params.seed
        cells = max(self._params.max_cells // max(len(self._log.item_ids), 1), 1)
        most = min(self._params.max_shoppers, cells)
        held_out = carts if name == "cart" else visits
        pages = held_out(self._whole_log, split_at=split_at, most=most, seed=seed)
        if pages is None:
            return None
        if name == "cart":
            kind = SignalKind.CART_ITEM
            learned = cart_parts(pages, self._log, recipe, self._params, split_at=split_at)
        else:
            kind = SignalKind.CONTEXT_ITEM
            neighbors = self._neighbors(recipe.neighbors, recipe.momentum)
            learned = item_parts(pages, self._log, neighbors, recipe, split_at=split_at)
        weight = recipe.scoring.kind_weights.get(kind, 0.0)
        return page_parts(pages, weight, learned, self._facts, self._content)

    def _content_scores(self, recipe: Recipe, blend: Blend, content: Vectors) -> Scores:
        recent = self._holdout.histories.since(
            self._holdout.split_at - CONTENT_WINDOW_DAYS * SECONDS_PER_DAY
        )
        weights = recent.weights(recipe.scoring, blend, now=self._holdout.split_at)
        return np.asarray((weights @ content) @ content.T, dtype=np.float32)

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

    def _pool(self, how: NeighborRecipe) -> sparse.csr_matrix:
        if how not in self._pools:
            pairs = self._pairs(how)
            self._pools[how] = pool_of(pairs, how, keep=POOL * self._params.keep)
        return self._pools[how]

    def _pairs(self, how: NeighborRecipe) -> Pairs:
        """The latest count is kept: knobs that weigh it differently come after each other."""
        if self._latest_pairs is None or not self._latest_pairs[0].counts_like(how):
            self._latest_pairs = None  # two would not fit where one does
            pairs = count_log(self._log, how, now=self._holdout.split_at, seed=self._params.seed)
            self._latest_pairs = (how, pairs)
        return self._latest_pairs[1]


def choose_recipe(
    log: InteractionLog,
    holdout: Holdout,
    params: TrainingParams,
    *,
    start: Recipe,
    content: Vectors | None = None,
) -> Recipe:
    """The recipe that does best on the held-out shoppers, searched from `start`.

    One setting at a time, first how neighbors are learned, then the knobs in turn; then the
    weights of each blend by regression, where that does better. `content` has the items' unit
    vectors, a row of zeros for an item without one. With fewer than `min_shoppers` held out it is
    `start`: nothing can be told apart.
    """
    if len(holdout.shoppers) < params.min_shoppers:
        return start
    cells = max(params.max_cells // max(len(log.item_ids), 1), 1)
    sample = holdout.sample(min(params.max_shoppers, cells), seed=params.seed)
    trial = Trial(log, sample, params, content=content)
    recipe = start
    for knob in neighbor_knobs():
        recipe = _turned(trial, recipe, knob)
    for _ in range(ROUNDS):
        before = recipe
        for knob in knobs(log.occurring_kinds()):
            recipe = _turned(trial, recipe, knob)
        if recipe == before:
            break
    return _with_learned_weights(trial, recipe, params)


def _with_learned_weights(trial: Trial, recipe: Recipe, params: TrainingParams) -> Recipe:
    """The recipe with the weights of each blend that a regression foresees better with.

    What e-mail and search show cannot be told from the log: they weigh as home does, e-mail
    without the visit that is over when it is read, search without what merely sells.
    """
    blends: dict[BlendName, Blend] = {}
    for name in LEARNED:
        parts, held = _parts_of(trial, recipe, name), recipe.scoring.blend(name)
        if parts is not None:
            blends[name] = better_blend(
                parts, held, k=params.k, seed=params.seed, min_gain=MIN_GAIN
            )
    home = blends.get("home", recipe.scoring.home)
    blends["email"] = replace(home, session=0.0)
    blends["search"] = replace(home, popularity=0.0, trend=0.0)
    scoring = recipe.scoring
    for name, blend in blends.items():
        scoring = scoring.with_blend(name, blend)
    return replace(recipe, scoring=scoring)


def _parts_of(trial: Trial, recipe: Recipe, name: BlendName) -> Parts | None:
    if name in {"item", "cart"}:
        return trial.page_parts(recipe, name)
    return trial.parts(recipe, name)


def _turned(trial: Trial, recipe: Recipe, knob: Knob) -> Recipe:
    """The recipe with the best value of one setting, which may be the one it has."""
    held = trial.worth(recipe, knob.lists)
    chosen, best = recipe, MIN_GAIN
    for value in knob.values:
        other = knob.turn(recipe, value)
        if other == recipe:
            continue
        gain, error = _gain(held, trial.worth(other, knob.lists))
        if gain > max(best, error):
            chosen, best = other, gain
    return chosen


def _gain(held: Worth, tried: Worth) -> tuple[float, float]:
    """Relative gain and its standard error, from the differences shopper by shopper.

    The lists count alike, although repeats are easier to foresee than discoveries.
    """
    judged = [tried[name].gain_over(before) for name, before in held.items()]
    if not judged:
        return 0.0, 0.0
    gain = math.fsum(gain for gain, _ in judged) / len(judged)
    return gain, math.sqrt(math.fsum(variance for _, variance in judged)) / len(judged)
