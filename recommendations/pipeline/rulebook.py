"""Rules applied to a pool at once: which items each is for, what that does, what it is called."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from recommendations.pipeline.candidates import PoolItem
from recommendations.rules import LIFTING, Rule, RuleKind, Target
from recommendations.segments import SEPARATOR, as_text, lies_in

Mask = npt.NDArray[np.bool_]
Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of a pool. Arrays are parallel to it; so is each mask of `hits`.

    `pins` are positions by index in the pool: from 1, or 0 where a pin names none.
    """

    hits: Sequence[tuple[Rule, Mask]]
    added: Reals
    excluded: Mask
    pins: dict[int, int]

    def of(self, index: int) -> Iterator[Rule]:
        """The rules that are for the item at `index`."""
        return (rule for rule, mask in self.hits if mask[index])

    def part(self, indices: Sequence[int]) -> "Verdict":
        """What they say of some items of the pool, in this order."""
        rows = list(indices)
        return Verdict(
            [(rule, mask[rows]) for rule, mask in self.hits],
            self.added[rows],
            self.excluded[rows],
            {new: self.pins[old] for new, old in enumerate(rows) if old in self.pins},
        )


def attributes_of(rules: Iterable[Rule]) -> tuple[str, ...]:
    """The names of the attributes that rules ask of items, each once."""
    return tuple(sorted({rule.target.attribute for rule in rules if rule.target.attribute}))


def proposed_by(rules: Iterable[Rule], *, most: int) -> set[int]:
    """The items that rules bring into the pool, at most `most` for each that lifts a whole set."""
    found: set[int] = set()
    for rule in rules:
        if rule.target.item_id is not None:
            found.add(rule.target.item_id)
        elif rule.kind in LIFTING:
            found.update(rule.proposed[:most])
    return found


class RuleBook:
    """The rules of a request. `attributes` are those that its pools are read with."""

    def __init__(self, rules: Sequence[Rule], attributes: Sequence[str]) -> None:
        self.rules = rules
        self.attributes = attributes
        self.quality = any(rule.target.quality_below is not None for rule in rules)

    def judge(self, pool: Sequence[PoolItem], *, now: float) -> Verdict:
        """Apply every rule to every item; `now` is in seconds since 1970, UTC."""
        facts = _Facts(pool, self.attributes, now)
        added = np.zeros(len(pool))
        excluded = np.zeros(len(pool), dtype=np.bool_)
        pins: dict[int, int] = {}
        hits = []
        for rule in self.rules:
            mask = facts.matching(rule.target)
            if not mask.any():
                continue
            hits.append((rule, mask))
            if rule.kind == RuleKind.EXCLUDE:
                excluded |= mask
            elif rule.kind == RuleKind.PIN:
                for index in np.flatnonzero(mask).tolist():
                    # Of two pins of one item the one with the earlier fixed place holds.
                    known, wanted = pins.get(index), rule.position or 0
                    pins[index] = min(filter(None, (known, wanted)), default=0)
            elif rule.added:
                added[mask] += rule.added
        return Verdict(hits, added, excluded, pins)


class _Facts:
    """What rules may ask of a pool, as columns that are made when one is asked for."""

    def __init__(self, pool: Sequence[PoolItem], attributes: Sequence[str], now: float) -> None:
        self.pool = pool
        self.now = now
        self._index_of = {name: index for index, name in enumerate(attributes)}

    def matching(self, target: Target) -> Mask:
        mask = np.ones(len(self.pool), dtype=np.bool_)
        for asked, column in self._columns(target):
            if asked:
                mask &= column()
                if not mask.any():
                    break
        return mask

    def _columns(self, target: Target) -> Iterator[tuple[bool, Callable[[], Mask]]]:
        """Each part of a target, the rarest first: whether it is said, and where it is true."""
        yield target.item_id is not None, lambda: self.ids == target.item_id
        yield bool(target.brand), lambda: self.brands == target.brand
        yield bool(target.category), lambda: self._in_category(target.category)
        yield target.on_sale, lambda: self.reduced
        if target.newer_than is not None:
            since = self.now - target.newer_than.total_seconds()
            yield True, lambda: self.listed_at > since
        if (least := target.price_from) is not None:
            yield True, lambda: self.prices >= least
        if (most := target.price_to) is not None:
            yield True, lambda: self.prices <= most
        if (above := target.price_above) is not None:
            yield True, lambda: self.prices > above
        yield bool(target.currency), lambda: self.currencies == target.currency
        if (margin := target.margin_from) is not None:
            yield True, lambda: self.margins >= margin
        if (below := target.margin_below) is not None:
            yield True, lambda: self.margins < below
        if (poor := target.quality_below) is not None:
            yield True, lambda: self.qualities < poor
        yield bool(target.attribute), lambda: self._has_attribute(target)

    @cached_property
    def ids(self) -> npt.NDArray[np.int64]:
        return np.fromiter((item.item_id for item in self.pool), np.int64, len(self.pool))

    @cached_property
    def brands(self) -> npt.NDArray[np.object_]:
        return _objects([item.brand for item in self.pool])

    @cached_property
    def currencies(self) -> npt.NDArray[np.object_]:
        return _objects([item.currency for item in self.pool])

    @cached_property
    def reduced(self) -> Mask:
        return np.array([item.sale_price is not None for item in self.pool], dtype=np.bool_)

    @cached_property
    def listed_at(self) -> Reals:
        return np.array([item.listed_at for item in self.pool])

    @cached_property
    def prices(self) -> Reals:
        """What the shopper pays now; not a number without an offer, and so in no range."""
        return np.array([_real(item.current_price) for item in self.pool])

    @cached_property
    def margins(self) -> Reals:
        """Shares of the price; not a number without a cost or a price."""
        costs = np.array([_real(item.cost) for item in self.pool])
        prices = np.where(self.prices > 0, self.prices, np.nan)
        return np.asarray((prices - costs) / prices)

    @cached_property
    def qualities(self) -> Reals:
        """Not a number where an item has not been checked yet."""
        return np.array([np.nan if i.quality is None else i.quality for i in self.pool])

    @cached_property
    def _paths(self) -> tuple[list[str], npt.NDArray[np.int64]]:
        """The distinct category paths, and which of them each item has."""
        number: dict[str, int] = {}
        of_item = [number.setdefault(item.path, len(number)) for item in self.pool]
        return list(number), np.array(of_item, dtype=np.int64)

    @cached_property
    def _paths_by_name(self) -> dict[str, list[int]]:
        """Which of the distinct paths each name is in, for there may be many rules."""
        found: dict[str, list[int]] = {}
        for number, path in enumerate(self._paths[0]):
            for name in set(path.split(SEPARATOR)):
                found.setdefault(name, []).append(number)
        return found

    def _in_category(self, category: tuple[str, ...]) -> Mask:
        paths, of_item = self._paths
        inside = np.zeros(len(paths), dtype=np.bool_)
        for number in self._paths_by_name.get(category[0], ()):
            inside[number] = len(category) == 1 or lies_in(paths[number], category)
        return np.asarray(inside[of_item])

    @cached_property
    def _attributes(self) -> list[list[Any]]:
        return [orjson.loads(item.asked) if item.asked else [] for item in self.pool]

    def _has_attribute(self, target: Target) -> Mask:
        index = self._index_of.get(target.attribute)
        if index is None:
            return np.zeros(len(self.pool), dtype=np.bool_)
        return np.array(
            [bool(row) and has_value(row[index], target) for row in self._attributes],
            dtype=np.bool_,
        )


def has_value(value: Any, target: Target) -> bool:
    """Whether an attribute's value is one that the target names; of a list, whether one of them is.

    Texts are compared without regard to case. A text that is a number counts as one. A target that
    names neither values nor a range asks only that there be a value.
    """
    values = value if isinstance(value, list) else [value]
    return any(_is_meant(one, target) for one in values if one is not None)


def _is_meant(value: Any, target: Target) -> bool:
    if target.values and as_text(value) not in target.values:
        return False
    if target.at_least is None and target.at_most is None:
        return True
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except ValueError:
        return False
    low = float("-inf") if target.at_least is None else target.at_least
    high = float("inf") if target.at_most is None else target.at_most
    return low <= number <= high


def _objects(texts: list[str]) -> npt.NDArray[np.object_]:
    column = np.empty(len(texts), dtype=np.object_)
    column[:] = texts
    return column


def _real(amount: Decimal | None) -> float:
    return float("nan") if amount is None else float(amount)
