"""What is an item worth to a shopper: one sum of contributions, each owed to one stored signal.

Pure arithmetic, shared by the live pipeline and by the offline evaluation, so that what was
measured is what is served. `docs/ranking.md` explains it with a worked example.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

SECONDS_PER_DAY = 86_400.0

STRENGTH_HALF_LIFE_DAYS = 180.0
"""How long it takes for an event's part in a signal's strength to halve.

Part of the stored state: changing it means folding every shopper's events anew. How quickly
old signals fade in the ranking is `ScoringParams.recency_half_life_days`, which training chooses.
"""

KIND_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "view": 0.3,
        "click": 0.3,
        "wishlist": 0.6,
        "add_to_cart": 0.6,
        "rating": 0.8,
        "review": 0.8,
        "purchase": 1.0,
    }
)
"""How much one fresh event of a kind counts against one purchase; an absent kind counts nothing."""

OWNED_KINDS = frozenset({"purchase", "rating", "review"})
"""Kinds after which the shopper has the item: offering it is "buy again", else "revisit"."""

Generator = Literal["neighbors", "buy_again", "revisit", "popularity", "trend", "content"]
PlacementKind = Literal["home", "discovery"]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Signal:
    """All events of one kind by one shopper on one item, folded into three numbers.

    `last_at` is the newest of them (seconds since 1970, UTC), `strength` the sum of
    2^(-days before `last_at` / 180) over them, `count` how many there were.
    """

    item: int
    kind: str
    strength: float
    last_at: float
    count: int


@dataclass(frozen=True, slots=True)
class Blend:
    """How much each generator counts in a kind of placement. No weight is negative."""

    neighbors: float = 1.0
    buy_again: float = 0.0
    revisit: float = 0.0
    popularity: float = 0.02
    trend: float = 0.005
    content: float = 0.0


@dataclass(frozen=True, slots=True)
class ScoringParams:
    """Everything the formula needs besides the shopper's signals and the trained vectors.

    `saturation` in 0-1 is the power a signal's strength is raised to: 0 counts a signal once
    however often it came, 1 counts every event in full. `recency_half_life_days` is how long
    it takes for a signal to count half. `home` is the blend where items the shopper has may
    come back, `discovery` the one where only new ones are shown.
    """

    saturation: float = 0.5
    recency_half_life_days: float = 360.0
    kind_weights: Mapping[str, float] = field(default_factory=lambda: dict(KIND_WEIGHTS))
    home: Blend = field(default_factory=lambda: Blend(buy_again=0.5, revisit=0.5))
    discovery: Blend = field(default_factory=lambda: Blend(revisit=0.5))

    def blend(self, placement: PlacementKind) -> Blend:
        return self.home if placement == "home" else self.discovery


@dataclass(frozen=True, slots=True)
class Neighbors:
    """The items that go with one item, and how strongly: parallel arrays, strongest first."""

    items: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """What training found out about one item, whoever the shopper is.

    `popularity` and `trend` are in 0-1. `repeat` is how much more (above 1) or less readily
    than the average item this one is taken again.
    """

    popularity: float = 0.0
    trend: float = 0.0
    repeat: float = 1.0


@dataclass(frozen=True, slots=True)
class Amount:
    """What one signal, or (`signal` None) one fact about the item, adds to the item's score."""

    item: int
    generator: Generator
    signal: Signal | None
    amount: float


def fold_event(signal: Signal | None, *, item: int, kind: str, at: float) -> Signal:
    """The signal after one more event at `at` (seconds since 1970, UTC).

    Events may arrive in any order: a late one adds what is left of it at `last_at`.
    """
    if signal is None:
        return Signal(item=item, kind=kind, strength=1.0, last_at=at, count=1)
    last_at = max(at, signal.last_at)
    return Signal(
        item=item,
        kind=kind,
        strength=signal.strength * _left_after(last_at - signal.last_at)
        + _left_after(last_at - at),
        last_at=last_at,
        count=signal.count + 1,
    )


def signal_weight(signal: Signal, *, now: float, params: ScoringParams) -> float:
    """What a signal counts at `now`; 0 when its kind does not rank.

    A function of this signal alone: removing another one changes nothing here, which is what
    makes a ledger's removal test exact. A signal dated after `now` counts as fresh.
    """
    kind_weight = params.kind_weights.get(signal.kind, 0.0)
    return float(
        signal_weights(
            np.float64(kind_weight),
            np.float64(signal.strength),
            np.float64(signal.last_at),
            now=now,
            params=params,
        )
    )


def signal_weights(
    kind_weight: npt.ArrayLike,
    strength: npt.ArrayLike,
    last_at: npt.ArrayLike,
    *,
    now: float,
    params: ScoringParams,
) -> FloatArray:
    """`signal_weight` for arrays: kind weight * strength^saturation * 2^(-age / half-life)."""
    age_days = np.maximum(now - np.asarray(last_at, dtype=np.float64), 0.0) / SECONDS_PER_DAY
    fresh = np.exp2(-age_days / params.recency_half_life_days)
    saturated = np.asarray(strength, dtype=np.float64) ** params.saturation
    return np.asarray(np.asarray(kind_weight, dtype=np.float64) * saturated * fresh)


def score_history(
    signals: Sequence[Signal],
    *,
    candidates: Iterable[int],
    neighbors: Mapping[int, Neighbors],
    facts: Mapping[int, ItemFacts],
    blend: Blend,
    now: float,
    params: ScoringParams,
) -> dict[int, list[Amount]]:
    """The ledger of every candidate; its score is the `total` of the amounts.

    `neighbors` is keyed by the item of the signal, `facts` by any item (absent: the defaults).
    The plain reference of the live pipeline. Content is not in it: the vectors live in the
    database.
    """
    ledgers: dict[int, list[Amount]] = {
        item: _facts_amounts(item, facts.get(item, ItemFacts()), blend) for item in candidates
    }
    for signal in signals:
        weight = signal_weight(signal, now=now, params=params)
        if weight == 0.0:
            continue
        if signal.item in ledgers:
            repeat = facts.get(signal.item, ItemFacts()).repeat
            own = _own_amount(signal, weight * repeat, blend)
            if own.amount:
                ledgers[signal.item].append(own)
        row = neighbors.get(signal.item)
        if row is None or blend.neighbors == 0.0:
            continue
        for item, similarity in zip(row.items.tolist(), row.weights.tolist(), strict=True):
            if item in ledgers:
                amount = blend.neighbors * weight * similarity
                ledgers[item].append(Amount(item, "neighbors", signal, amount))
    return ledgers


def total(ledger: Iterable[Amount]) -> float:
    """An item's score: the exactly rounded sum, so that the order of amounts cannot matter."""
    return math.fsum(amount.amount for amount in ledger)


def _left_after(seconds: float) -> float:
    return math.exp2(-seconds / SECONDS_PER_DAY / STRENGTH_HALF_LIFE_DAYS)


def _facts_amounts(item: int, facts: ItemFacts, blend: Blend) -> list[Amount]:
    amounts = [
        Amount(item, "popularity", None, blend.popularity * facts.popularity),
        Amount(item, "trend", None, blend.trend * facts.trend),
    ]
    return [amount for amount in amounts if amount.amount]


def _own_amount(signal: Signal, worth: float, blend: Blend) -> Amount:
    if signal.kind in OWNED_KINDS:
        return Amount(signal.item, "buy_again", signal, blend.buy_again * worth)
    return Amount(signal.item, "revisit", signal, blend.revisit * worth)
