"""Which settings can training turn, and which values does it try."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial

from profiles.signals import SignalKind
from recommendations.scoring import CONSIDERED_KINDS, KIND_WEIGHTS, OWNED_KINDS, BlendName
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


def neighbor_knobs() -> Iterator[Knob]:
    """The settings of how neighbors are learned, those that matter most first."""
    yield Knob(BOTH, (0.0, 0.3, 1.0), partial(_neighbors, "evenness"))
    yield Knob(BOTH, (0.45, 0.6, 0.75, 0.9), partial(_neighbors, "damping"))
    yield Knob(BOTH, (1.0, 1.25, 1.5), partial(_neighbors, "sharpness"))
    yield Knob(BOTH, (60.0, 120.0, 360.0), partial(_neighbors, "half_life_days"))
    yield Knob(BOTH, (0.5, 1.0), partial(_neighbors, "decay"))
    yield Knob(BOTH, (0.3, 0.7, 1.0), partial(_neighbors, "backward"))


def knobs(kinds: Collection[str]) -> Iterator[Knob]:
    """The settings that can matter where these kinds of event occur."""
    owned, considered = bool(OWNED_KINDS & set(kinds)), bool(CONSIDERED_KINDS & set(kinds))
    yield Knob(BOTH, (3.0, 14.0, 45.0, 120.0, 360.0), _recency)
    yield Knob(BOTH, (0.25, 0.5, 0.75, 1.0), _saturation)
    yield Knob(BOTH, (0.0, 0.35, 0.5, 0.7, 0.85), _momentum)
    if owned and considered:
        yield Knob(BOTH, (0.25, 0.5, 1.0, 2.0), _engagement)
    if SignalKind.RETURN in kinds:
        yield Knob(BOTH, (-1.0, -0.25), _return)
    if owned:
        yield Knob(HOME, OWN_WEIGHTS, partial(_home, "buy_again"))
        yield Knob((*HOME, *BUY_AGAIN), (0.0, 0.1, 0.2, 0.35, 0.5), _repeat_power)
        yield Knob(BUY_AGAIN, (0.0, 0.1, 0.2, 0.5, 1.0), partial(_buy_again, "neighbors"))
    if considered:
        yield Knob(HOME, OWN_WEIGHTS, partial(_home, "revisit"))
        yield Knob(DISCOVERY, OWN_WEIGHTS, partial(_discovery, "revisit"))
    yield Knob(HOME, POPULARITY_WEIGHTS, partial(_home, "popularity"))
    yield Knob(DISCOVERY, POPULARITY_WEIGHTS, partial(_discovery, "popularity"))
    yield Knob(HOME, TREND_WEIGHTS, partial(_home, "trend"))
    yield Knob(DISCOVERY, TREND_WEIGHTS, partial(_discovery, "trend"))


def _neighbors(setting: str, recipe: Recipe, value: float) -> Recipe:
    learned = replace(recipe.neighbors, **{setting: value})  # type: ignore[arg-type]  # reals
    return replace(recipe, neighbors=learned)


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
    considered = {kind: KIND_WEIGHTS[kind] * factor for kind in CONSIDERED_KINDS}
    weights = {**recipe.scoring.kind_weights, **considered}
    return replace(recipe, scoring=replace(recipe.scoring, kind_weights=weights))


def _return(recipe: Recipe, weight: float) -> Recipe:
    weights = {**recipe.scoring.kind_weights, SignalKind.RETURN: weight}
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
