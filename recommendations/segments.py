"""Which shoppers a segment holds: a question of what a request has read of the shopper anyway."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from itertools import accumulate
from typing import Any

from profiles.signals import HISTORY_KINDS, SECONDS_PER_DAY, Signal, SignalKind

SEPARATOR = "\x1f"  # ASCII's own unit separator: no shop has it in a category's name

NEW = "new"
RETURNING = "returning"
NEW_SHOPPER_DAYS = 1
"""A shopper is new while everything known of them is younger than this."""

USUAL_SHARE = 0.8
"""The usual categories are the fewest that hold this share of a history."""

BUDGET_PREFERENCES = ("max_price", "budget")
COUNTRY = "country"


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that a shopper said to pay for an item. `currency` is empty if they did not say."""

    amount: float
    currency: str = ""


@dataclass(frozen=True)
class ShopperFacts:
    """What a segment may ask of a shopper who grants personalization.

    `signals` are the history as far as it may rank, `weights` what each counts now; `paths` holds
    the category paths of their items, each joined by SEPARATOR, where they were read.
    """

    now: float
    signals: Sequence[Signal] = ()
    weights: Sequence[float] = ()
    paths: Mapping[int, str] = field(default_factory=dict)
    preferences: Mapping[str, Any] = field(default_factory=dict)
    traits: Mapping[str, Any] = field(default_factory=dict)
    country: str = ""

    @property
    def history(self) -> Iterable[tuple[Signal, float]]:
        """Signals of what the shopper did, and their weights."""
        pairs = zip(self.signals, self.weights, strict=True)
        return ((signal, weight) for signal, weight in pairs if signal.kind in HISTORY_KINDS)

    @property
    def returns(self) -> bool:
        """Whether the shopper did something here before the last day."""
        since = self.now - NEW_SHOPPER_DAYS * SECONDS_PER_DAY
        return any(signal.last_at < since for signal, _ in self.history)

    @property
    def home_country(self) -> str:
        """Where the request comes from; else where the shop says that the shopper lives."""
        return (self.country or str(self.traits.get(COUNTRY, ""))).upper()

    @cached_property
    def budget(self) -> Budget | None:
        """The stated budget, if it is one."""
        for name in BUDGET_PREFERENCES:
            if (budget := _budget(self.preferences.get(name))) is not None:
                return budget
        return None

    @cached_property
    def usual_categories(self) -> frozenset[str]:
        """The narrowest categories that hold most of the history; see USUAL_SHARE."""
        weight_of: defaultdict[str, float] = defaultdict(float)
        for signal, weight in self.history:
            if path := self.paths.get(signal.item):
                weight_of[path.rpartition(SEPARATOR)[2]] += weight
        ranked = sorted(weight_of.items(), key=lambda entry: (-entry[1], entry[0]))
        before = accumulate((weight for _, weight in ranked), initial=0.0)
        enough = USUAL_SHARE * sum(weight_of.values())
        return frozenset(
            category for (category, _), held in zip(ranked, before, strict=False) if held < enough
        )

    def share_in(self, category: tuple[str, ...]) -> float:
        """How much of the history is about a category, 0-1."""
        inside = total = 0.0
        for signal, weight in self.history:
            total += weight
            if lies_in(self.paths.get(signal.item, ""), category):
                inside += weight
        return inside / total if total else 0.0

    def bought_in(self, category: tuple[str, ...], within: timedelta | None) -> bool:
        since = self.now - within.total_seconds() if within else float("-inf")
        return any(
            signal.kind == SignalKind.PURCHASE
            and signal.last_at >= since
            and lies_in(self.paths.get(signal.item, ""), category)
            for signal in self.signals
        )


@dataclass(frozen=True, slots=True)
class Segment:
    """The shoppers of whom everything that is said here is true. Values are in lower case."""

    id: int
    name: str
    visits: str = ""
    preference: str = ""
    preference_values: frozenset[str] = frozenset()
    trait: str = ""
    trait_values: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()
    affinity: tuple[str, ...] = ()
    affinity_share: float = 0.3
    bought: tuple[str, ...] = ()
    bought_within: timedelta | None = None

    @property
    def asks_for_categories(self) -> bool:
        """Whether it can be told only with the categories of the history's items."""
        return bool(self.affinity or self.bought)

    def holds(self, facts: ShopperFacts) -> bool:
        return (
            (not self.visits or facts.returns == (self.visits == RETURNING))
            and _says(facts.preferences, self.preference, self.preference_values)
            and _says(facts.traits, self.trait, self.trait_values)
            and (not self.countries or facts.home_country in self.countries)
            and (not self.affinity or facts.share_in(self.affinity) >= self.affinity_share)
            and (not self.bought or facts.bought_in(self.bought, self.bought_within))
        )


def lies_in(path: str, category: tuple[str, ...]) -> bool:
    """Whether a joined category path holds these names one after the other."""
    return f"{SEPARATOR}{SEPARATOR.join(category)}{SEPARATOR}" in f"{SEPARATOR}{path}{SEPARATOR}"


def _says(stated: Mapping[str, Any], name: str, values: frozenset[str]) -> bool:
    """Whether a preference or trait has one of the values; of no values, whether it is stated."""
    if not name:
        return True
    found = stated.get(name)
    said = found if isinstance(found, list) else [found]
    texts = {as_text(value) for value in said if value is not None}
    return bool(texts & values) if values else bool(texts)


def as_text(value: object) -> str:
    """A value as a rule or a segment names it: `true` for a boolean, `38` for 38.0."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip(" ").lower()


def _budget(stated: object) -> Budget | None:
    """A number, a text such as "100" or "100 EUR", or {"amount": 100, "currency": "EUR"}."""
    currency = ""
    if isinstance(stated, dict):
        currency, stated = str(stated.get("currency") or ""), stated.get("amount")
    elif isinstance(stated, str):
        stated, _, currency = stated.strip().partition(" ")
    if isinstance(stated, bool) or not isinstance(stated, (int, float, str)):
        return None
    try:
        amount = float(stated)
    except ValueError:
        return None
    return Budget(amount, currency.strip().upper()) if 0 < amount < float("inf") else None
