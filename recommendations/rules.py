"""A merchandising rule as ranking sees it: what it does, to which items, and when it holds."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum

from django.utils import timezone

from recommendations.segments import Segment, ShopperFacts

NEW_FOR = timedelta(days=30)
"""How long an item counts as new where the placement says nothing else."""


class RuleKind(StrEnum):
    PIN = "pin"
    BOOST = "boost"
    PROMOTION = "promotion"
    BURY = "bury"
    EXCLUDE = "exclude"


LIFTING = frozenset({RuleKind.BOOST, RuleKind.PROMOTION})
"""Kinds that add to the score; items they are for are proposed, whatever the shopper did."""


@dataclass(frozen=True, slots=True)
class Target:
    """Which items a rule is for: those of which everything that is said here is true.

    `category` holds names that follow each other in an item's path, so one name is a whole
    subtree. `values` are in lower case. Prices are what the shopper pays now, `currency` is the
    one they are in (empty: whatever it is); margins are shares of the price. A fact that is not
    known, such as the margin of an item without a cost, is neither above nor below anything.
    """

    item_id: int | None = None
    category: tuple[str, ...] = ()
    brand: str = ""
    attribute: str = ""
    values: frozenset[str] = frozenset()
    at_least: float | None = None
    at_most: float | None = None
    on_sale: bool = False
    newer_than: timedelta | None = None
    price_from: float | None = None
    price_to: float | None = None
    price_above: float | None = None
    currency: str = ""
    margin_from: float | None = None
    margin_below: float | None = None
    quality_below: float | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a request says of itself, whoever the shopper is. Empty where it says nothing."""

    query: str = ""
    device: str = ""
    country: str = ""
    referrer: str = ""


NO_CIRCUMSTANCES = Circumstances()


@dataclass(frozen=True, slots=True)
class Condition:
    """When a rule holds: where everything that is said here is true. Weekdays count from Monday,
    0; hours and days are in the time zone of the shop, and hours may pass midnight."""

    query: str = ""
    whole_query: bool = False
    segment: Segment | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    weekdays: frozenset[int] = frozenset()
    from_hour: time | None = None
    to_hour: time | None = None
    device: str = ""
    countries: frozenset[str] = frozenset()

    def holds(self, now: datetime, around: Circumstances) -> bool:
        """Whether it holds as far as the request alone can tell; the segment is asked later."""
        return (
            (self.starts_at is None or self.starts_at <= now)
            and (self.ends_at is None or now < self.ends_at)
            and self._is_its_time(now)
            and (not self.query or self._is_asked_in(around.query))
            and (not self.device or self.device == around.device.lower())
            and (not self.countries or around.country.upper() in self.countries)
        )

    def _is_its_time(self, now: datetime) -> bool:
        if not self.weekdays and self.from_hour is None and self.to_hour is None:
            return True
        local = timezone.localtime(now)
        if self.from_hour is None and self.to_hour is None:
            return local.weekday() in self.weekdays
        start, end, hour = self.from_hour or time.min, self.to_hour or time.max, local.time()
        if start < end:
            return start <= hour < end and self._is_its_day(local)
        # Past midnight it is still the day that the hours began on.
        began = local if hour >= start else local - timedelta(days=1)
        return (hour >= start or hour < end) and self._is_its_day(began)

    def _is_its_day(self, local: datetime) -> bool:
        return not self.weekdays or local.weekday() in self.weekdays

    def _is_asked_in(self, query: str) -> bool:
        asked, wanted = words_of(query), words_of(self.query)
        return asked == wanted if self.whole_query else set(wanted) <= set(asked)


@dataclass(frozen=True, slots=True)
class Rule:
    """One wish of the merchant. `id` 0 is the placement's own (see `Guard`).

    `amount` is what it adds to a score or takes from it; `position` counts from 1, None is
    anywhere on top; `label` is what a promotion is called in the shop; `proposed` are ids of the
    best-selling items it is for, best first, as they were when it was last compiled.
    """

    id: int
    name: str
    kind: str
    target: Target
    when: Condition = field(default_factory=Condition)
    amount: float = 0.0
    position: int | None = None
    label: str = ""
    proposed: tuple[int, ...] = ()

    @property
    def added(self) -> float:
        """What it adds to a score. A pin moves an item without touching its score."""
        if self.kind in LIFTING:
            return self.amount
        return -self.amount if self.kind == RuleKind.BURY else 0.0


class OverBudget(StrEnum):
    """What becomes of items above the budget that the shopper stated."""

    HIDE = "hide"
    LOWER = "lower"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class FrequencyCap:
    """An item that a shopper was shown `impressions` times within `days` days, and did nothing
    about, is not shown again until the oldest of them are forgotten."""

    impressions: int
    days: int


@dataclass(frozen=True, slots=True)
class Guard:
    """What a placement asks of every slate, pins included where it is about eligibility.

    Margins are shares of the price, qualities 0-100, shares of slots 0-1.
    """

    minimum_margin: float | None = None
    minimum_quality: float | None = None
    over_budget: str = OverBudget.HIDE
    cap: FrequencyCap | None = None
    max_per_category: int | None = None
    max_per_brand: int | None = None
    discovery_share: float = 0.0
    new_share: float = 0.0
    new_for: timedelta = NEW_FOR

    def rules(self, facts: ShopperFacts | None) -> tuple[Rule, ...]:
        """What it asks of items as rules, so that it is applied and told like any other."""
        found = []
        if self.minimum_margin is not None:
            target = Target(margin_below=self.minimum_margin)
            found.append(Rule(0, "Minimum margin", RuleKind.EXCLUDE, target))
        if self.minimum_quality is not None:
            target = Target(quality_below=self.minimum_quality)
            found.append(Rule(0, "Minimum quality", RuleKind.EXCLUDE, target))
        budget = facts.budget if facts else None
        if budget is not None and self.over_budget != OverBudget.IGNORE:
            target = Target(price_above=budget.amount, currency=budget.currency)
            kind = RuleKind.EXCLUDE if self.over_budget == OverBudget.HIDE else RuleKind.BURY
            found.append(Rule(0, "Above the stated budget", kind, target, amount=BUDGET_PENALTY))
        return tuple(found)


NO_GUARD = Guard()

BUDGET_PENALTY = 0.5
"""What an item above the stated budget loses where the placement lowers such items: as much as a
rule of the ordinary strength takes."""

_WORD = re.compile(r"\w+")


def words_of(query: str) -> list[str]:
    """The words of a search, without what writing them differently changes."""
    return _WORD.findall(query.casefold())


def category_of(text: str) -> tuple[str, ...]:
    """`Women > Shoes` as the names that follow each other in a path."""
    return tuple(name for part in text.split(">") if (name := part.strip()))


def in_force(rules: Iterable[Rule], now: datetime, around: Circumstances) -> tuple[Rule, ...]:
    """The rules that hold for a request, as far as it can be told without the shopper."""
    return tuple(rule for rule in rules if rule.when.holds(now, around))


def rules_for(rules: Sequence[Rule], guard: Guard, facts: ShopperFacts | None) -> tuple[Rule, ...]:
    """What is applied for one shopper: the rules whose segment they are in, and the guard's."""
    return (*for_shopper(rules, facts), *guard.rules(facts))


def for_shopper(rules: Sequence[Rule], facts: ShopperFacts | None) -> tuple[Rule, ...]:
    """Of these rules those whose segment the shopper is in, or that have none."""
    return tuple(
        rule
        for rule in rules
        if rule.when.segment is None or (facts is not None and rule.when.segment.holds(facts))
    )
