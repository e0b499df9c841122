"""Stage 2: the additive score. What each signal weighs, and what all of them add up to."""

import heapq
import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from profiles.signals import HISTORY_KINDS, Signal, SignalKind
from recommendations.pipeline.arrays import Vector, half_vectors
from recommendations.pipeline.candidates import PoolItem
from recommendations.pipeline.memory import Content, Memory
from recommendations.pipeline.rulebook import Verdict
from recommendations.scoring import CONSIDERED_KINDS, Blend, ScoringParams, signal_weights
from recommendations.values import Candidate

Scores = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Sums:
    """What many items score: `items` by rising id, and `scores` beside them."""

    items: npt.NDArray[np.int64]
    scores: Vector

    def __len__(self) -> int:
        return len(self.items)

    def of(self, items: Sequence[int]) -> list[float]:
        """The score of each of these items, 0 for one that is not known."""
        if not len(self):
            return [0.0] * len(items)
        wanted = np.array(items, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.items, wanted), len(self) - 1)
        found: list[float] = np.where(self.items[at] == wanted, self.scores[at], 0.0).tolist()
        return found

    def strongest(self, most: int, *, excluded: Collection[int]) -> list[int]:
        """As `strongest`."""
        wanted = most + len(excluded)
        scores, items = self.scores, self.items
        if 0 < wanted < len(items):
            # To part thousands takes a quarter of sorting them. All ties with the last one stay.
            least = np.partition(scores, len(items) - wanted)[len(items) - wanted]
            kept = np.flatnonzero(scores >= least)
            scores, items = scores[kept], items[kept]
        order = np.argsort(-scores, kind="stable")  # stable: ties stay by id
        best = items[order[:wanted]].tolist()
        return [item for item in best if item not in excluded][:most]


NO_SUMS = Sums(np.zeros(0, dtype=np.int64), np.zeros(0))

PAGE_KINDS = frozenset({SignalKind.CONTEXT_ITEM, SignalKind.CART_ITEM})


def weights_of(
    signals: Sequence[Signal], *, now: float, params: ScoringParams, blend: Blend
) -> list[float]:
    """What each signal counts now, in order; see `scoring.signal_weight`."""
    if not signals:
        return []
    by_kind = {kind: params.kind_weight(kind, blend) for kind in {s.kind for s in signals}}
    weights: list[float] = signal_weights(
        [by_kind[signal.kind] for signal in signals],
        [signal.strength for signal in signals],
        [signal.last_at for signal in signals],
        now=now,
        params=params,
        session=[blend.session if signal.kind in HISTORY_KINDS else 0.0 for signal in signals]
        if blend.session
        else 0.0,
    ).tolist()
    return weights


def neighbor_scores(
    signals: Sequence[Signal], weights: Sequence[float], memory: Memory, blend: Blend
) -> Sums:
    """What the history says of every item that goes with one of its own."""
    if not memory.learned or not blend.neighbors:
        return NO_SUMS
    per_item: defaultdict[int, float] = defaultdict(float)
    for signal, weight in zip(signals, weights, strict=True):
        per_item[signal.item] += weight
    of_learned = np.array([per_item[item] for item in memory.learned])
    items, positions = np.unique(memory.items, return_inverse=True)
    sums = np.bincount(positions, weights=memory.weights * of_learned[memory.owners])
    return Sums(items, np.asarray(sums * blend.neighbors, dtype=np.float64))


def content_scores(pool: Sequence[PoolItem], content: Content | None, blend: Blend) -> Scores:
    """How alike each item of the pool is to what the signals are about."""
    embedded = [(item.item_id, item.vector) for item in pool if item.vector is not None]
    if content is None or not embedded or not blend.content:
        return {}
    alike = half_vectors([vector for _, vector in embedded]) @ (blend.content * content.query)
    return dict(zip([item for item, _ in embedded], alike.tolist(), strict=True))


def own_scores(
    signals: Sequence[Signal], weights: Sequence[float], memory: Memory, blend: Blend
) -> Scores:
    """What the history says of its own items."""
    own: defaultdict[int, float] = defaultdict(float)
    for signal, weight in zip(signals, weights, strict=True):
        if amount := own_amount(signal, weight, memory, blend):
            own[signal.item] += amount
    return own


def strongest(scores: Mapping[int, float], most: int, *, excluded: Collection[int]) -> list[int]:
    """The items with the highest scores, at most `most`; ties by id.

    `excluded` items are passed over, so that they do not take the place of others.
    """
    allowed = [(-score, item) for item, score in scores.items() if item not in excluded]
    return [item for _, item in heapq.nsmallest(most, allowed)]


def own_amount(signal: Signal, weight: float, memory: Memory, blend: Blend) -> float:
    """What a signal adds to its own item: buying it again, or coming back to it."""
    if signal.kind not in HISTORY_KINDS:
        return 0.0
    factor = blend.revisit if signal.kind in CONSIDERED_KINDS else blend.buy_again
    return factor * weight * memory.repeat.get(signal.item, 1.0)


def rank(
    pool: Sequence[PoolItem],
    *,
    neighbors: Sums,
    own: Scores,
    content: Scores,
    blend: Blend,
    verdict: Verdict,
    new_since: float = math.inf,
) -> list[Candidate]:
    """Score the pool and order it, best first; ties by id. Excluded items are left out.

    An item that was listed after `new_since`, in seconds since 1970, counts as new.
    """
    scored = []
    by_popularity, by_trend = blend.popularity, blend.trend
    added, excluded, pins = verdict.added.tolist(), verdict.excluded.tolist(), verdict.pins
    gone_with = neighbors.of([item[0] for item in pool])
    for index, item in enumerate(pool):
        if excluded[index]:
            continue
        item_id = item[0]
        score = (
            gone_with[index]
            + own.get(item_id, 0.0)
            + by_popularity * item.popularity
            + by_trend * (item.trend + item.trend_now)
            + content.get(item_id, 0.0)
            + added[index]
        )
        scored.append((-score, item_id, index))
    scored.sort()
    return [
        Candidate(
            item_id,
            -negative,
            (item := pool[index]).category,
            item.brand,
            item.group_id,
            pins.get(index),
            item.listed_at > new_since,
        )
        for negative, item_id, index in scored
    ]
