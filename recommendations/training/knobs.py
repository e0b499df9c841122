"""Which settings can training turn, and which values does it try."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial

from recommendations.scoring import CONSIDERED_KINDS, KIND_WEIGHTS, OWNED_KINDS, BlendName
from recommendations.training.neighbors import NeighborRecipe
from recommendations.training.recipe import Recipe

Lists = tuple[BlendName, ...]
HOME: Lists = ("home",)
DISCOVERY: Lists = ("discovery",)
BUY_AGAIN: Lists = ("buy_again",)
BOTH: Lists = ("home", "discovery")

OWN_WEIGHTS = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
POPULARITY_WEIGHTS = (0.005, 0.02, 0.1, 0.3)
"""Never 0: a shopper without a history has nothing else to be ranked by."""
TREND_WEIGHTS = (0.002, 0.005, 0.02, 0.1)


@dataclass(frozen=True, slots=True)
class Knob:
    """One setting: the lists it can change, the values to try, and how to set one."""

    lists: Lists
    values: tuple[float, ...]
    turn: Callable[[Recipe, float], Recipe]


def neighbor_recipes(start: NeighborRecipe) -> Iterator[NeighborRecipe]:
    """The ways of learning neighbors that are tried: `start` with one setting turned."""
    for damping in (0.3, 0.6, 0.8):
        yield replace(start, damping=damping)
    for evenness in (0.0, 0.3, 1.0):
        yield replace(start, evenness=evenness)
    for half_life_days in (60.0, 120.0, 360.0):
        yield replace(start, half_life_days=half_life_days)
    for decay in (0.5, 1.0):
        yield replace(start, decay=decay)
    for backward in (0.3, 0.7, 1.0):
        yield replace(start, backward=backward)


def knobs(kinds: Collection[str]) -> Iterator[Knob]:
    """The settings that can matter where these kinds of event occur."""
    owned, considered = bool(OWNED_KINDS & set(kinds)), bool(CONSIDERED_KINDS & set(kinds))
    yield Knob(BOTH, (3.0, 14.0, 45.0, 120.0, 360.0), _recency)
    yield Knob(BOTH, (0.25, 0.5, 1.0), _saturation)
    yield Knob(BOTH, (0.0, 0.35, 0.5, 0.7, 0.85), _momentum)
    if owned and considered:
        yield Knob(BOTH, (0.25, 0.5, 1.0, 2.0), _engagement)
    if owned:
        yield Knob(HOME, OWN_WEIGHTS, partial(_home, "buy_again"))
        yield Knob((*HOME, *BUY_AGAIN), (0.0, 0.1, 0.25, 0.5), _repeat_power)
        yield Knob(BUY_AGAIN, (0.0, 0.1, 0.2, 0.5, 1.0), partial(_buy_again, "neighbors"))
    if considered:
        yield Knob(HOME, OWN_WEIGHTS, partial(_home, "revisit"))
        yield Knob(DISCOVERY, OWN_WEIGHTS, partial(_discovery, "revisit"))
    yield Knob(HOME, POPULARITY_WEIGHTS, partial(_home, "popularity"))
    yield Knob(DISCOVERY, POPULARITY_WEIGHTS, partial(_discovery, "popularity"))
    yield Knob(HOME, TREND_WEIGHTS, partial(_home, "trend"))
    yield Knob(DISCOVERY, TREND_WEIGHTS, partial(_discovery, "trend"))


def _recency(recipe: Recipe, days: float) -> Recipe:
    return replace(recipe, scoring=replace(recipe.scoring, recency_half_life_days=days))


def _saturation(recipe: Recipe, power: float) -> Recipe:
    return replace(recipe, scoring=replace(recipe.scoring, saturation=power))


def _momentum(recipe: Recipe, power: float) -> Recipe:
    return replace(recipe, momentum=power)


def _repeat_power(recipe: Recipe, power: float) -> Recipe:
    return replace(recipe, repeat_power=power)


def _engagement(recipe: Recipe, factor: float) -> Recipe:
    """Everything short of taking an item counts `factor` times its default."""
    weights = {
        kind: weight * factor if kind in CONSIDERED_KINDS else weight
        for kind, weight in KIND_WEIGHTS.items()
    }
    return replace(recipe, scoring=replace(recipe.scoring, kind_weights=weights))


def _home(generator: str, recipe: Recipe, weight: float) -> Recipe:
    blend = replace(recipe.scoring.home, **{generator: weight})
    return replace(recipe, scoring=replace(recipe.scoring, home=blend))


def _buy_again(generator: str, recipe: Recipe, weight: float) -> Recipe:
    blend = replace(recipe.scoring.buy_again, **{generator: weight})
    return replace(recipe, scoring=replace(recipe.scoring, buy_again=blend))


def _discovery(generator: str, recipe: Recipe, weight: float) -> Recipe:
    blend = replace(recipe.scoring.discovery, **{generator: weight})
    return replace(recipe, scoring=replace(recipe.scoring, discovery=blend))
