"""How do items sell, whoever the shopper is: popularity, trend, momentum and repeats."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from profiles.signals import SECONDS_PER_DAY
from recommendations.scoring import KIND_WEIGHTS, OWNED_KINDS
from recommendations.training.log import InteractionLog

FloatArray = npt.NDArray[np.float64]

POPULARITY_DAYS = 28
TREND_DAYS = 7
MOMENTUM_DAYS = 14
MOMENTUM_PRIOR = 20.0
"""Shoppers' worth of average sales added to an item's own, so that two sales are no boom."""
REPEAT_PRIOR = 10.0
"""Shoppers' worth of average repeats added to an item's own."""


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """One element per item of the log, in its order.

    `popularity` and `trend` are in 0-1: how many shoppers took the item in the last 28 days,
    and how many more in the last 7 than in an average week of the 21 before. `momentum` is its
    share of recent sales over its share of all sales, `repeat_rate` how often a buyer came
    back to it compared with the average item; both are 1 for an item like the average.
    """

    popularity: FloatArray
    trend: FloatArray
    momentum: FloatArray
    repeat_rate: FloatArray

    def repeat(self, power: float) -> FloatArray:
        """How readily each item is taken again now, softened by `power` (0: all alike)."""
        return np.asarray((self.repeat_rate * self.momentum) ** power)


def item_facts(log: InteractionLog, *, now: float) -> ItemFacts:
    """How the items of a log sell at `now` (seconds since 1970, UTC).

    Windows end at the last event where that lies before `now`, so that a log that is no
    longer fed keeps its popular items. Costs a few sorts of the log.
    """
    items = len(log.item_ids)
    log = log.before(now)
    if not len(log):
        return ItemFacts(np.zeros(items), np.zeros(items), np.ones(items), np.ones(items))
    end = min(now, float(log.at.max()) + 1)
    recent = takers(log.since(end - POPULARITY_DAYS * SECONDS_PER_DAY))
    week = takers(log.since(end - TREND_DAYS * SECONDS_PER_DAY))
    earlier = log.since(end - POPULARITY_DAYS * SECONDS_PER_DAY).before(
        end - TREND_DAYS * SECONDS_PER_DAY
    )
    usual_week = takers(earlier) * TREND_DAYS / (POPULARITY_DAYS - TREND_DAYS)
    return ItemFacts(
        popularity=_of_largest(recent),
        trend=_of_largest(np.maximum(week - usual_week, 0.0)),
        momentum=_momentum(
            takers(log), takers(log.since(end - MOMENTUM_DAYS * SECONDS_PER_DAY)), recent
        ),
        repeat_rate=_repeat_rate(log),
    )


def takers(log: InteractionLog) -> FloatArray:
    """Per item, the shoppers who had to do with it, each counted by the best thing they did.

    A buyer counts 1, one who only viewed .3: the weights of `KIND_WEIGHTS`.
    """
    items = len(log.item_ids)
    by_kind = np.array([KIND_WEIGHTS.get(kind, 0.0) for kind in log.kinds])
    pairs, pair = np.unique(log.shopper * max(items, 1) + log.item, return_inverse=True)
    best = np.zeros(len(pairs))
    np.maximum.at(best, pair, by_kind[log.kind])
    return np.bincount(pairs % max(items, 1), weights=best, minlength=items).astype(np.float64)


def _of_largest(counts: FloatArray) -> FloatArray:
    largest = counts.max(initial=0.0)
    return counts / largest if largest > 0 else counts


def _momentum(ever: FloatArray, lately: FloatArray, recent: FloatArray) -> FloatArray:
    """Share of recent over share of all takers, 1 for what the recently sold have on average."""
    if not ever.sum() or not lately.sum():
        return np.ones(len(ever))
    average = lately.sum() / ever.sum()
    ratio = (lately + MOMENTUM_PRIOR * average) / (ever + MOMENTUM_PRIOR)
    return np.asarray(ratio * recent.sum() / (ratio * recent).sum())


def _repeat_rate(log: InteractionLog) -> FloatArray:
    """Share of an item's owners who took it on two days or more, over the average share."""
    items = len(log.item_ids)
    owned = log.of_kinds(OWNED_KINDS)
    pair = owned.shopper * max(items, 1) + owned.item
    days = np.unique(np.stack([pair, owned.at // int(SECONDS_PER_DAY)]), axis=1)
    owners, on_days = np.unique(days[0], return_counts=True)
    of_item = owners % max(items, 1)
    bought = np.bincount(of_item, minlength=items)
    again = np.bincount(of_item, weights=on_days > 1, minlength=items)
    if not again.sum():
        return np.ones(items)
    average = again.sum() / bought.sum()
    return np.asarray((again + REPEAT_PRIOR * average) / (bought + REPEAT_PRIOR) / average)
