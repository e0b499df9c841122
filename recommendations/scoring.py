"""What is an item worth to a shopper: one sum of contributions, each owed to one stored signal.

Pure arithmetic, shared by the live pipeline and by the offline evaluation, so that what was
measured is what is served. `docs/ranking.md` explains it with a worked example.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from profiles.signals import HISTORY_KINDS, SECONDS_PER_DAY, Signal, SignalKind

KIND_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        SignalKind.VIEW: 0.3,
        SignalKind.CLICK: 0.3,
        SignalKind.WISHLIST: 0.6,
        SignalKind.ADD_TO_CART: 0.6,
        SignalKind.RATING: 0.8,
        SignalKind.REVIEW: 0.8,
        SignalKind.PURCHASE: 1.0,
        SignalKind.RETURN: -1.0,
        SignalKind.CART_ITEM: 2.0,
        SignalKind.CONTEXT_ITEM: 4.0,
        SignalKind.LINKED: 4.0,
        SignalKind.PREFERENCE: 1.0,
        SignalKind.CIRCUMSTANCE: 1.0,
        SignalKind.SEARCH: 1.0,
    }
)
"""How much one fresh event of a kind counts against one purchase; an absent kind counts nothing.

A return takes away what a purchase gave: it lies later, so it weighs a little more.
The item on the page and the items in the cart are what the placement asks about, so they
outweigh the history; so does what the merchant linked to them.
"""

ENGAGED_KINDS: frozenset[str] = HISTORY_KINDS - {SignalKind.RETURN}
"""Kinds of the history that speak for their item."""

OWNED_KINDS: frozenset[str] = frozenset({SignalKind.PURCHASE, SignalKind.RATING, SignalKind.REVIEW})
"""Kinds after which the shopper has the item: offering it is "buy again", else "revisit"."""

CONSIDERED_KINDS: frozenset[str] = ENGAGED_KINDS - OWNED_KINDS
"""Kinds short of having the item."""

SESSION_HALF_LIFE_MINUTES = 20.0
"""How long it takes for an event to count half of what the present visit adds to it."""

MINUTES_PER_DAY = 1_440.0

CONTENT_WINDOW_DAYS = 30.0
"""Older events speak through the neighbors only: their vectors are not worth reading."""

LASTING = 0.05
"""What never fades of a signal: taste outlives a season, and an old log still personalizes."""

Generator = Literal["neighbors", "buy_again", "revisit", "popularity", "trend"]
BlendName = Literal["home", "discovery", "buy_again", "item", "cart", "search", "email"]
FloatArray = npt.NDArray[np.float64]


SESSION = 3.0
"""What a fresh event gains by belonging to the present visit, until training chooses."""

PAGE_HISTORY = 0.1
"""What the history counts where the page or the cart is what the shopper looks at."""


@dataclass(frozen=True, slots=True)
class Blend:
    """How much each generator counts in a kind of placement.

    No weight is negative, but for `content` where more of the same is not what is asked for.
    `history` is the share of its weight that a signal of the shopper's history keeps beside what
    the placement is about; `session` is how many times its weight a signal gains at the moment it
    happens, which fades within the visit.
    """

    neighbors: float = 1.0
    buy_again: float = 0.0
    revisit: float = 0.0
    popularity: float = 0.02
    trend: float = 0.005
    content: float = 0.005
    history: float = 1.0
    session: float = 0.0

    @property
    def selling(self) -> float:
        """As the weight of a neighbor, the most that selling well, and lately, can be worth."""
        return (self.popularity + 2 * self.trend) / self.neighbors if self.neighbors else 0.0


@dataclass(frozen=True, slots=True)
class ScoringParams:
    """Everything the formula needs besides the shopper's signals and what training learned.

    `saturation` in 0-1 is the power a signal's strength is raised to: 0 counts a signal once
    however often it came, 1 counts every event in full. `recency_half_life_days` is how long
    it takes for a signal to count half. There is a blend for each question: `home` where items
    the shopper has may come back, `discovery` where only new ones are shown, `buy_again` among
    what the shopper has, `item` and `cart` for what goes with the page or the cart, `search` for
    the order of what was found, `email` for what is read days later. On a page even an item that
    nobody took yet should be answered by what is like it, not by what sells.
    """

    saturation: float = 0.75
    recency_half_life_days: float = 360.0
    kind_weights: Mapping[str, float] = field(default_factory=lambda: dict(KIND_WEIGHTS))
    home: Blend = field(default_factory=lambda: Blend(buy_again=0.5, revisit=0.5, session=SESSION))
    discovery: Blend = field(default_factory=lambda: Blend(revisit=0.5, session=SESSION))
    buy_again: Blend = field(
        default_factory=lambda: Blend(
            neighbors=0.2, buy_again=1.0, revisit=0.5, popularity=0.002, trend=0.001, content=0.0
        )
    )
    item: Blend = field(
        default_factory=lambda: Blend(
            popularity=0.002, trend=0.001, content=0.05, history=PAGE_HISTORY
        )
    )
    cart: Blend = field(
        default_factory=lambda: Blend(
            popularity=0.002, trend=0.001, content=0.01, history=PAGE_HISTORY
        )
    )
    search: Blend = field(
        default_factory=lambda: Blend(
            buy_again=0.5, revisit=0.5, popularity=0.0, trend=0.0, content=0.02, session=SESSION
        )
    )
    email: Blend = field(default_factory=lambda: Blend(buy_again=0.5, revisit=0.5))

    def blend(self, name: BlendName) -> Blend:
        blend: Blend = getattr(self, name)
        return blend

    def with_blend(self, name: BlendName, blend: Blend) -> "ScoringParams":
        return replace(self, **{name: blend})  # type: ignore[arg-type]  # a field for each name

    def kind_weight(self, kind: str, blend: Blend) -> float:
        """What a fresh event of a kind counts in a placement of this blend."""
        weight = self.kind_weights.get(kind, 0.0)
        return weight * blend.history if kind in HISTORY_KINDS else weight


@dataclass(frozen=True, slots=True)
class Neighbors:
    """What training learned about one item of a history.

    `items` and `weights` are parallel, strongest first: what goes with the item, and how
    strongly. `repeat` is how readily the item itself is taken again; the average one has 1.
    """

    items: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    repeat: float = 1.0


@dataclass(frozen=True, slots=True)
class Amount:
    """What one signal, or (`signal` None) how an item sells, adds to the item's score."""

    item: int
    generator: Generator
    signal: Signal | None
    amount: float


def signal_weight(
    signal: Signal, *, now: float, params: ScoringParams, blend: Blend | None = None
) -> float:
    """What a signal counts at `now` (seconds since 1970, UTC); 0 when its kind does not rank.

    A function of this signal alone: removing another one changes nothing here, which is what
    makes a ledger exact. A signal dated after `now` counts as fresh. Without a `blend` it is what
    the signal counts whatever the placement.
    """
    blend = blend or Blend()
    return float(
        signal_weights(
            params.kind_weight(signal.kind, blend),
            signal.strength,
            signal.last_at,
            now=now,
            params=params,
            session=blend.session if signal.kind in HISTORY_KINDS else 0.0,
        )
    )


def signal_weights(
    kind_weight: npt.ArrayLike,
    strength: npt.ArrayLike,
    last_at: npt.ArrayLike,
    *,
    now: float,
    params: ScoringParams,
    session: npt.ArrayLike = 0.0,
) -> FloatArray:
    """`signal_weight` for arrays: kind weight * (strength^saturation * freshness + session).

    Freshness falls from 1 towards 1/20, half of the way every `recency_half_life_days`. What the
    present visit adds is `session` at once and half of it every 20 minutes, however often the
    event came before: an old habit is no news.
    """
    age_days = np.maximum(now - np.asarray(last_at, dtype=np.float64), 0.0) / SECONDS_PER_DAY
    faded = np.exp2(-age_days / params.recency_half_life_days)
    freshness = LASTING + (1.0 - LASTING) * faded
    saturated = np.asarray(strength, dtype=np.float64) ** params.saturation
    visit = np.exp2(-age_days * MINUTES_PER_DAY / SESSION_HALF_LIFE_MINUTES)
    counted = saturated * freshness + np.asarray(session, dtype=np.float64) * visit
    return np.asarray(np.asarray(kind_weight, dtype=np.float64) * counted)


def score_history(
    signals: Sequence[Signal],
    *,
    candidates: Iterable[int],
    neighbors: Mapping[int, Neighbors],
    popularity: Mapping[int, float],
    trend: Mapping[int, float],
    blend: Blend,
    now: float,
    params: ScoringParams,
) -> dict[int, list[Amount]]:
    """The ledger of every candidate; its score is the `total` of the amounts.

    `neighbors` is keyed by the item of the signal; popularity and trend, each 0-1, by any
    item. The plain reference of the live pipeline. Content is not in it: the vectors live in
    the database.
    """
    ledgers: dict[int, list[Amount]] = {}
    for item in candidates:
        amounts = (
            Amount(item, "popularity", None, blend.popularity * popularity.get(item, 0.0)),
            Amount(item, "trend", None, blend.trend * trend.get(item, 0.0)),
        )
        ledgers[item] = [amount for amount in amounts if amount.amount]
    for signal in signals:
        weight = signal_weight(signal, now=now, params=params, blend=blend)
        learned = neighbors.get(signal.item)
        for amount in _amounts_of(signal, weight, learned, blend):
            if amount.amount and amount.item in ledgers:
                ledgers[amount.item].append(amount)
    return ledgers


def total(ledger: Iterable[Amount]) -> float:
    """An item's score: the exactly rounded sum, so that the order of amounts cannot matter."""
    return math.fsum(amount.amount for amount in ledger)


def _amounts_of(
    signal: Signal, weight: float, learned: Neighbors | None, blend: Blend
) -> Iterable[Amount]:
    worth = weight * (1.0 if learned is None else learned.repeat)
    if signal.kind in OWNED_KINDS or signal.kind == SignalKind.RETURN:
        yield Amount(signal.item, "buy_again", signal, blend.buy_again * worth)
    elif signal.kind in CONSIDERED_KINDS:
        yield Amount(signal.item, "revisit", signal, blend.revisit * worth)
    if learned is not None:
        for item, similarity in zip(learned.items.tolist(), learned.weights.tolist(), strict=True):
            yield Amount(item, "neighbors", signal, blend.neighbors * weight * similarity)
