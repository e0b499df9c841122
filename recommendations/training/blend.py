"""Which recipe suits this shop: settings chosen one after the other on held-out days."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from scipy import sparse

from profiles.signals import HISTORY_KINDS
from recommendations.scoring import KIND_WEIGHTS, OWNED_KINDS, BlendName
from recommendations.training.holdout import Holdout
from recommendations.training.log import InteractionLog
from recommendations.training.neighbors import NeighborRecipe, learn_neighbors, with_momentum
from recommendations.training.popularity import item_facts
from recommendations.training.ranker import POOL, Scores, neighbor_scores, own_scores
from recommendations.training.recipe import Recipe, TrainingParams

CONSIDERED_KINDS: frozenset[str] = HISTORY_KINDS - OWNED_KINDS

MIN_GAIN = 0.002
"""A setting is changed only for this much more, relatively: less is noise."""
ROUNDS = 2
"""Settings depend on each other a little, so each is visited twice."""

Lists = Literal["all", "new", "both"]


@dataclass(frozen=True, slots=True)
class Knob:
    """One setting: the values to try, how to set one, and the lists that it can change."""

    lists: Lists
    values: tuple[float, ...]
    turn: Callable[[Recipe, float], Recipe]


class Trial:
    """Everything learned before a split, to try recipes on the shoppers held out after it."""

    def __init__(self, log: InteractionLog, holdout: Holdout, params: TrainingParams) -> None:
        self._log = log.before(holdout.split_at)
        self._holdout = holdout
        self._params = params
        self._facts = item_facts(self._log, now=holdout.split_at)
        self._pools: dict[NeighborRecipe, sparse.csr_matrix] = {}
        self._latest: tuple[object, Scores] | None = None

    def worth(self, recipe: Recipe, lists: Lists) -> float:
        """How good the lists are: the mean of recall and nDCG, added up when both are asked."""
        worth, k = 0.0, self._params.k
        if lists != "new":
            worth += self._holdout.all_items(self._scores(recipe, "home"), k=k).worth
        if lists != "all":
            worth += self._holdout.new_items(self._scores(recipe, "discovery"), k=k).worth
        return worth

    def _scores(self, recipe: Recipe, name: BlendName) -> Scores:
        blend = recipe.scoring.blend(name)
        own = own_scores(self._holdout.histories, recipe.scoring, blend, now=self._holdout.split_at)
        scores = blend.neighbors * self._neighbor_scores(recipe)
        scores += own * self._facts.repeat(recipe.repeat_power).astype("float32")
        facts = blend.popularity * self._facts.popularity + blend.trend * self._facts.trend
        scores += facts.astype("float32")
        return scores

    def _neighbor_scores(self, recipe: Recipe) -> Scores:
        """The costly part. Most knobs leave it alone, so the latest is kept."""
        scoring = recipe.scoring
        key = (
            recipe.neighbors,
            recipe.momentum,
            scoring.saturation,
            scoring.recency_half_life_days,
            tuple(sorted(scoring.kind_weights.items())),
        )
        if self._latest is None or self._latest[0] != key:
            neighbors = with_momentum(
                self._pool(recipe.neighbors),
                self._facts.momentum**recipe.momentum,
                keep=self._params.keep,
            )
            scores = neighbor_scores(
                self._holdout.histories, neighbors, scoring, now=self._holdout.split_at
            )
            self._latest = (key, scores)
        return self._latest[1]

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
    recipe, best = start, trial.worth(start, "both")
    for neighbors in neighbor_recipes(len(log.item_ids), params):
        other = replace(recipe, neighbors=neighbors)
        worth = trial.worth(other, "both")
        if worth > best * (1 + MIN_GAIN):
            recipe, best = other, worth
    for _ in range(ROUNDS):
        before = recipe
        for knob in knobs(log):
            recipe = _best_turn(trial, recipe, knob)
        if recipe == before:
            break
    return recipe


def neighbor_recipes(items: int, params: TrainingParams) -> list[NeighborRecipe]:
    """The ways of learning neighbors that are tried for so many items."""
    counted = [
        NeighborRecipe(method="cooccurrence", window=0),
        NeighborRecipe(method="cooccurrence", window=5),
    ]
    if items > params.max_ease_items:
        return counted
    return [NeighborRecipe(ridge=300.0), NeighborRecipe(ridge=50.0), *counted]


def knobs(log: InteractionLog) -> Iterator[Knob]:
    """The settings that can matter for the kinds of event in the log."""
    owned = bool(OWNED_KINDS & set(log.kinds))
    considered = bool(CONSIDERED_KINDS & set(log.kinds))
    yield Knob(
        "both", (3.0, 14.0, 45.0, 120.0, 360.0), partial(_set_scoring, "recency_half_life_days")
    )
    yield Knob("both", (0.25, 0.5, 1.0), partial(_set_scoring, "saturation"))
    yield Knob("both", (0.0, 0.35, 0.5, 0.7, 0.85), lambda r, v: replace(r, momentum=v))
    if owned and considered:
        yield Knob("both", (0.25, 0.5, 1.0, 2.0), _set_engagement)
    worths = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
    if owned:
        yield Knob("all", worths, partial(_set_blend, "home", "buy_again"))
        yield Knob("all", (0.0, 0.25, 0.5), lambda r, v: replace(r, repeat_power=v))
    if considered:
        yield Knob("all", worths, partial(_set_blend, "home", "revisit"))
        yield Knob("new", worths, partial(_set_blend, "discovery", "revisit"))
    # Never 0: a shopper without a history has nothing else to be ranked by.
    yield Knob("all", (0.005, 0.02, 0.1, 0.3), partial(_set_blend, "home", "popularity"))
    yield Knob("new", (0.005, 0.02, 0.1, 0.3), partial(_set_blend, "discovery", "popularity"))
    yield Knob("all", (0.002, 0.005, 0.02, 0.1), partial(_set_blend, "home", "trend"))
    yield Knob("new", (0.002, 0.005, 0.02, 0.1), partial(_set_blend, "discovery", "trend"))


def _best_turn(trial: Trial, recipe: Recipe, knob: Knob) -> Recipe:
    best = trial.worth(recipe, knob.lists)
    threshold, chosen = best * (1 + MIN_GAIN), recipe
    for value in knob.values:
        turned = knob.turn(recipe, value)
        if turned == recipe:
            continue
        worth = trial.worth(turned, knob.lists)
        if worth > max(best, threshold):
            best, chosen = worth, turned
    return chosen


def _set_scoring(name: str, recipe: Recipe, value: float) -> Recipe:
    return replace(recipe, scoring=replace(recipe.scoring, **{name: value}))


def _set_blend(blend: BlendName, generator: str, recipe: Recipe, value: float) -> Recipe:
    changed = replace(recipe.scoring.blend(blend), **{generator: value})
    return replace(recipe, scoring=replace(recipe.scoring, **{blend: changed}))


def _set_engagement(recipe: Recipe, factor: float) -> Recipe:
    """Everything short of taking an item counts `factor` times its default."""
    weights = {
        kind: weight * factor if kind in CONSIDERED_KINDS else weight
        for kind, weight in KIND_WEIGHTS.items()
    }
    return replace(recipe, scoring=replace(recipe.scoring, kind_weights=weights))
