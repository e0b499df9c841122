"""What is an item worth to a shopper: one sum of contributions, each owed to one stored signal.

Pure arithmetic, shared by the live pipeline and by the offline evaluation, so that what was
measured is what is served. `docs/ranking.md` explains it with a worked example.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

import numpy as np
import numpy.typing as npt

SECONDS_PER_DAY = 86_400.0

FloatArray = npt.NDArray[np.float64]
Real = TypeVar("Real", float, FloatArray)

DEFAULT_KIND_WEIGHTS: Mapping[str, float] = MappingProxyType(
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
"""Kinds after which the shopper has the item: its return is "buy again", not "still interested"."""


@dataclass(frozen=True, slots=True)
class Signal:
    """All events of one kind by one shopper on one item, folded into three numbers.

    `strength` is the sum of 2^(-age / half-life) over the events, as of `last_at` (seconds
    since 1970, UTC); `count` is how many events there were.
    """

    item: int
    kind: str
    strength: float
    last_at: float
    count: int


@dataclass(frozen=True, slots=True)
class Blend:
    """How much each generator counts in a placement; weights are never negative."""

    neighbors: float = 1.0
    buy_again: float = 0.0
    revisit: float = 0.0
    popularity: float = 0.0
    trend: float = 0.0
    content: float = 0.0


@dataclass(frozen=True, slots=True)
class ScoringParams:
    """Everything the formula needs besides the shopper's signals and the trained vectors.

    `half_life_days` is how long it takes for a signal's strength to halve. `saturation` in
    0-1 is the power the strength is raised to: 0 counts a signal once however often it came,
    1 counts every event in full.
    """

    half_life_days: float = 180.0
    saturation: float = 0.25
    kind_weights: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_KIND_WEIGHTS))
    home: Blend = field(default_factory=lambda: Blend(buy_again=1.0, revisit=0.3, popularity=0.1))
    discovery: Blend = field(default_factory=lambda: Blend(popularity=0.1))


def fold_event(
    signal: Signal | None, *, item: int, kind: str, at: float, half_life_days: float
) -> Signal:
    """The signal after one more event at `at`; events may come in any order.

    A late event adds what is left of it at the signal's `last_at`, so the result does not
    depend on the order of arrival.
    """
    if signal is None:
        return Signal(item=item, kind=kind, strength=1.0, last_at=at, count=1)
    last_at = max(at, signal.last_at)
    strength = decay(signal.strength, last_at - signal.last_at, half_life_days) + decay(
        1.0, last_at - at, half_life_days
    )
    return Signal(item=item, kind=kind, strength=strength, last_at=last_at, count=signal.count + 1)


def decay(strength: Real, seconds: Real, half_life_days: float) -> Real:
    """What is left of a strength after some seconds. Time running backwards changes nothing."""
    days = np.maximum(seconds, 0.0) / SECONDS_PER_DAY
    return strength * np.exp2(-days / half_life_days)


def signal_weight(
    *, kind_weight: Real, strength: Real, last_at: Real, now: float, params: ScoringParams
) -> Real:
    """What one signal counts at `now`: its kind's weight times the saturated, decayed strength.

    Depends on this signal alone, so that removing another one changes nothing here. Takes
    floats or arrays.
    """
    return kind_weight * decay(strength, now - last_at, params.half_life_days) ** params.saturation


@dataclass(frozen=True, slots=True)
class Neighbors:
    """The items that go with one item, and how strongly: parallel arrays, strongest first."""

    items: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """What training found out about one item, whoever the shopper is.

    `popularity` and `trend` are in 0-1. `repeat` is how likely a shopper comes back to this
    item compared with the average item (1).
    """

    popularity: float = 0.0
    trend: float = 0.0
    repeat: float = 1.0


@dataclass(frozen=True, slots=True)
class Amount:
    """What one signal, or one fact about the item, adds to one item's score."""

    item: int
    generator: str
    signal: Signal | None
    amount: float


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
    """The ledger of every candidate; its score is the sum of the amounts.

    `neighbors` is keyed by the item of the signal. The reference of the live pipeline: slow and
    plain. Content is added by the pipeline, which has the vectors.
    """
    ledgers: dict[int, list[Amount]] = {item: [] for item in candidates}
    for item, ledger in ledgers.items():
        fact = facts.get(item, ItemFacts())
        for generator, weight, value in (
            ("popularity", blend.popularity, fact.popularity),
            ("trend", blend.trend, fact.trend),
        ):
            if weight * value:
                ledger.append(Amount(item, generator, None, weight * value))
    for signal in signals:
        weight = signal_weight(
            kind_weight=params.kind_weights.get(signal.kind, 0.0),
            strength=signal.strength,
            last_at=signal.last_at,
            now=now,
            params=params,
        )
        if not weight:
            continue
        if signal.item in ledgers:
            owned = signal.kind in OWNED_KINDS
            own = blend.buy_again if owned else blend.revisit
            amount = own * weight * facts.get(signal.item, ItemFacts()).repeat
            if amount:
                generator = "buy_again" if owned else "revisit"
                ledgers[signal.item].append(Amount(signal.item, generator, signal, amount))
        row = neighbors.get(signal.item)
        if row is None:
            continue
        for item, similarity in zip(row.items.tolist(), row.weights.tolist(), strict=True):
            if item in ledgers and blend.neighbors:
                amount = blend.neighbors * weight * similarity
                ledgers[item].append(Amount(item, "neighbors", signal, amount))
    return ledgers


def total(ledger: Iterable[Amount]) -> float:
    """An item's score: the exactly rounded sum, so that the order of amounts cannot matter."""
    return math.fsum(amount.amount for amount in ledger)
