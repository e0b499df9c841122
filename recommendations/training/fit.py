"""Train a ranker: choose a recipe on the last days of a log, then learn from all of it."""

import time
from dataclasses import dataclass

from scipy import sparse

from profiles.signals import SECONDS_PER_DAY
from recommendations.training.baskets import baskets_of
from recommendations.training.blend import Vectors, choose_recipe
from recommendations.training.complements import learn_complements
from recommendations.training.holdout import Quality, hold_out, measure
from recommendations.training.log import InteractionLog
from recommendations.training.ranker import Ranker, learn
from recommendations.training.recipe import Recipe, TrainingParams

HOLDOUT_SHARE = 1 / 6
"""Of a log shorter than half a year, this part is held out, so that enough is left to learn."""


@dataclass(frozen=True, slots=True)
class FittedRanker:
    """A ranker, how its recipe did on the days after `split_at`, and what training took.

    `complements` are items by items, in the order of the ranker's: what is bought together.
    `quality` is of the same recipe learned from the events before `split_at`, so it can be
    compared with `evaluate_on_split` of another recipe at the same split.
    """

    ranker: Ranker
    complements: sparse.csr_matrix
    quality: Quality
    split_at: float
    seconds: float


def fit(
    log: InteractionLog,
    *,
    now: float,
    params: TrainingParams | None = None,
    start: Recipe | None = None,
    content: Vectors | None = None,
) -> FittedRanker:
    """Choose a recipe, measure it, and learn from every event before `now`.

    The search begins at `start`, the live ranker's recipe, so what is chosen is no worse than
    it on the shoppers that choose. `content` has the unit vectors of the log's items, by which the
    weight of content is learned; without it that weight stays. Any log will do, an empty one too.
    Deterministic.
    """
    started = time.perf_counter()
    params = params or TrainingParams()
    log = log.before(now)
    split_at = validation_split(log, now=now, params=params)
    holdout = hold_out(log, split_at=split_at, until=now, target_kinds=params.target_kinds)
    recipe = choose_recipe(log, holdout, params, start=start or Recipe(), content=content)
    ranker, complements = learn_all(log, recipe, now=now, params=params)
    return FittedRanker(
        ranker=ranker,
        complements=complements,
        quality=evaluate_on_split(log, split_at=split_at, until=now, recipe=recipe, params=params),
        split_at=split_at,
        seconds=time.perf_counter() - started,
    )


def learn_all(
    log: InteractionLog, recipe: Recipe, *, now: float, params: TrainingParams
) -> tuple[Ranker, sparse.csr_matrix]:
    """What a recipe makes of the events before `now`: the ranker, and its complements."""
    log = log.before(now)
    return (
        learn(log, recipe, now=now, keep=params.keep, seed=params.seed),
        learn_complements(baskets_of(log, seed=params.seed), now=now, keep=params.keep_complements),
    )


def evaluate_on_split(
    log: InteractionLog,
    *,
    split_at: float,
    until: float,
    recipe: Recipe,
    params: TrainingParams | None = None,
) -> Quality:
    """How a recipe does that learns before `split_at` and is measured from then to `until`."""
    params = params or TrainingParams()
    holdout = hold_out(
        log, split_at=split_at, until=until, target_kinds=params.target_kinds
    ).sample(params.max_measured, seed=params.seed)
    ranker = learn(log, recipe, now=split_at, keep=params.keep, seed=params.seed)
    return measure(ranker, holdout, k=params.k, max_cells=params.max_cells)


def validation_split(log: InteractionLog, *, now: float, params: TrainingParams) -> float:
    """Where the held-out days begin: the last 28, or the last sixth of a shorter log.

    Counted from the last event where the log ended before `now`.
    """
    if not len(log):
        return now
    first, last = float(log.at.min()), min(now, float(log.at.max()) + 1)
    held_out = min(params.holdout_days * SECONDS_PER_DAY, (last - first) * HOLDOUT_SHARE)
    return last - held_out
