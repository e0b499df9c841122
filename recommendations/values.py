"""The pipeline's vocabulary: what goes in, what a ledger is made of, what comes out."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any, NamedTuple, overload
from uuid import UUID

from profiles.policy import Policy
from profiles.signals import Signal
from recommendations.hints import Hint
from recommendations.rules import NO_CIRCUMSTANCES, NO_GUARD, Circumstances, Guard, Rule
from recommendations.scoring import Blend, ScoringParams
from recommendations.segments import ShopperFacts


@dataclass(frozen=True, slots=True)
class Sellers:
    """The items that sell most, whose sales rise most, and the newest: ids, best first."""

    popular: tuple[int, ...] = ()
    trending: tuple[int, ...] = ()
    newest: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PlacementSettings:
    """What one placement needs to know before a request: the same for every shopper."""

    code: str
    question: str
    diversity: float
    repeats_purchases: bool
    static_item_ids: tuple[int, ...]
    rules: tuple[Rule, ...]
    ranker_version: int | None
    params: ScoringParams
    guard: Guard = NO_GUARD


@dataclass(frozen=True, slots=True)
class RecommendationRequest:
    """What is known and may be used. `personalized` is False without consent or history to read.

    `signals` holds the shopper's history, cart and what the page is about, as far as the signal
    policy lets them rank. `rules` are those that hold as far as the request tells; their segments
    are asked of `facts`, which are None without consent. Where `only_item_ids` are given, nothing
    else may be shown. `simulated` is for looking only: nothing of the answer is kept.
    `ignore_eligibility` is for offline evaluation only.
    """

    placement: PlacementSettings
    blend: Blend
    rules: tuple[Rule, ...]
    limit: int
    now: datetime
    policy: Policy
    shopper_id: int | None = None
    personalized: bool = False
    signals: tuple[Signal, ...] = ()
    hints: tuple[Hint, ...] = ()
    context_item_ids: frozenset[int] = frozenset()
    cart_item_ids: frozenset[int] = frozenset()
    owned_item_ids: frozenset[int] = frozenset()
    only_item_ids: frozenset[int] | None = None
    dismissed_item_ids: frozenset[int] = frozenset()
    capped_item_ids: frozenset[int] = frozenset()
    facts: ShopperFacts | None = None
    shopper_version: str = ""
    around: Circumstances = NO_CIRCUMSTANCES
    simulated: bool = False
    fallbacks: tuple[str, ...] = ()
    ignore_eligibility: bool = False

    @property
    def excluded_item_ids(self) -> frozenset[int]:
        """What must not be shown here, whatever its score."""
        return self.dismissed_item_ids | self.context_item_ids | self.cart_item_ids


class SignalRef(NamedTuple):
    """A stored signal as a ledger names it: what happened, to which item, and where it is kept.

    A tuple, like Contribution, for a request makes hundreds of them.
    """

    kind: str
    item_id: int | None = None
    event_id: int | None = None
    at: float | None = None
    events: int = 0
    name: str | None = None

    @classmethod
    def of(cls, signal: Signal) -> "SignalRef":
        if signal.name is not None:
            return cls(signal.kind, name=signal.name)
        return cls(signal.kind, signal.item, signal.event_id, signal.last_at, signal.count)


class Contribution(NamedTuple):
    """What one stored signal adds to one candidate's score."""

    signal: SignalRef
    generator: str
    amount: float


Entry = tuple[int, str, float]
"""A contribution while it is one of hundreds: its signal's index, the generator, the amount."""

_amount = itemgetter(2)


class Ledger(Sequence[Contribution]):
    """All contributions to one item, the strongest first; the item's score is their sum.

    Kept as entries that share one table of signals, for a request makes a thousand of them; a
    Contribution is made when one is looked at.
    """

    __slots__ = ("entries", "score", "signals")

    def __init__(self, signals: Sequence[SignalRef], entries: Iterable[Entry]) -> None:
        self.signals = signals
        self.entries = sorted(entries, key=_amount, reverse=True)
        self.score = math.fsum(map(_amount, self.entries))

    def __len__(self) -> int:
        return len(self.entries)

    @overload
    def __getitem__(self, index: int) -> Contribution: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Contribution, ...]: ...
    def __getitem__(self, index: int | slice) -> Contribution | tuple[Contribution, ...]:
        if isinstance(index, slice):
            return tuple(self[position] for position in range(*index.indices(len(self))))
        signal, generator, amount = self.entries[index]
        return Contribution(self.signals[signal], generator, amount)


EMPTY_LEDGER = Ledger((), ())


class Candidate(NamedTuple):
    """An eligible item with what reranking looks at. `score` orders; the ledger is made later.

    `pin` is the position it is pinned to, from 1; 0 is on top in no fixed place, None not pinned.
    """

    item_id: int
    score: float
    category: str = ""
    brand: str = ""
    group_id: str = ""
    pin: int | None = None
    new: bool = False

    @property
    def pinned(self) -> bool:
        return self.pin is not None


@dataclass(frozen=True, slots=True)
class Reason:
    """The sentence shown, and which contributions of the ledger it cites."""

    kind: str
    text: str
    cited: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OfferView:
    """An offer as it was when the slate was made. Amounts are in units of the currency."""

    price: Decimal
    sale_price: Decimal | None
    currency: str
    in_stock: bool


@dataclass(frozen=True, slots=True)
class ServedItem:
    """One item of a slate. `promotion` is what a campaign it is part of is called."""

    item_id: int
    external_id: str
    kind: str
    title: str
    brand: str
    category_path: tuple[str, ...]
    image: str
    address: str
    offer: OfferView | None
    ledger: Ledger = EMPTY_LEDGER
    reason: Reason | None = None
    promotion: str = ""

    @property
    def score(self) -> float:
        return self.ledger.score

    def with_ledger(self, ledger: Ledger, reason: Reason | None = None) -> "ServedItem":
        return replace(self, ledger=ledger, reason=reason)

    def without_offer(self) -> "ServedItem":
        return replace(self, offer=None)


RELEVANCE_SCALE = 0.5


def relevance(score: float) -> float:
    """A score as a number in 0-1 that grows with it: 1 - exp(-score / scale); 0 below zero."""
    return -math.expm1(-max(score, 0.0) / RELEVANCE_SCALE)


@dataclass(frozen=True, slots=True)
class Slate:
    """What is served for one request, and everything needed to explain it later."""

    decision_id: UUID
    placement: str
    items: tuple[ServedItem, ...]
    personalized: bool
    shopper_id: int | None
    served_at: datetime
    ranker_version: int | None
    fallbacks: tuple[str, ...]
    candidates: tuple[tuple[int, float], ...] = ()
    named: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    latency_ms: float = 0.0
    context: Mapping[str, Any] = field(default_factory=dict)
