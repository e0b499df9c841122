"""How do items sell, whoever the shopper is: popularity, trend, momentum and repeats."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from profiles.signals import SECONDS_PER_DAY as DAY
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
    """How the items of a log sell at `now` (seconds since 1970, UTC). Costs a few sorts.

    Windows end at the last event where that lies before `now`, so that a log that is no
    longer fed keeps its popular items.
    """
    log = log.before(now)
    return ItemFacts(
        popularity=popularity(log, now=now),
        trend=trend(log, now=now),
        momentum=momentum(log, now=now),
        repeat_rate=repeat_rate(log),
    )


def popularity(log: InteractionLog, *, now: float) -> FloatArray:
    """Per item, its takers of the last 28 days over those of the most popular item: 0-1."""
    return _of_largest(takers(_lately(log, POPULARITY_DAYS, now)))


def trend(log: InteractionLog, *, now: float) -> FloatArray:
    """Per item, takers of the last 7 days beyond its average week of the 21 before: 0-1.

    Over the largest such growth; an item that sells as usual, or worse, has 0.
    """
    week = _lately(log, TREND_DAYS, now)
    earlier = _lately(log, POPULARITY_DAYS, now).before(_end(log, now) - TREND_DAYS * DAY)
    usual = takers(earlier) * TREND_DAYS / (POPULARITY_DAYS - TREND_DAYS)
    return _of_largest(np.maximum(takers(week) - usual, 0.0))


def momentum(log: InteractionLog, *, now: float) -> FloatArray:
    """Per item, its share of the takers of the last 14 days over its share of all takers.

    Scaled to 1 on average over what sold in the last 28 days. What is in season, or new, has
    more; what shoppers once took has less.
    """
    ever, lately = takers(log), takers(_lately(log, MOMENTUM_DAYS, now))
    if not lately.sum():
        return np.ones(len(ever))
    average = lately.sum() / ever.sum()
    ratio = (lately + MOMENTUM_PRIOR * average) / (ever + MOMENTUM_PRIOR)
    recent = takers(_lately(log, POPULARITY_DAYS, now))
    return np.asarray(ratio * recent.sum() / (ratio * recent).sum())


def repeat_rate(log: InteractionLog) -> FloatArray:
    """Per item, the share of owners who took it on two days or more, over the average share."""
    items = len(log.item_ids)
    owned = log.of_kinds(OWNED_KINDS)
    pair = owned.shopper * max(items, 1) + owned.item
    days = np.unique(np.stack([pair, owned.at // int(DAY)]), axis=1)
    owners, on_days = np.unique(days[0], return_counts=True)
    of_item = owners % max(items, 1)
    bought = np.bincount(of_item, minlength=items)
    again = np.bincount(of_item, weights=on_days > 1, minlength=items)
    if not again.sum():
        return np.ones(items)
    average = again.sum() / bought.sum()
    return np.asarray((again + REPEAT_PRIOR * average) / (bought + REPEAT_PRIOR) / average)


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


def _lately(log: InteractionLog, days: int, now: float) -> InteractionLog:
    return log.before(now).since(_end(log, now) - days * DAY)


def _end(log: InteractionLog, now: float) -> float:
    """The moment windows end at: `now`, or the last event before it."""
    before = log.at[log.at < now]
    return float(before.max()) + 1 if len(before) else now
