"""Stage 3: from a ranking to a slate. Order only: nothing here touches a score."""

import heapq
import random
from collections import Counter, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from math import ceil

from recommendations.values import Candidate

EXPLORED_FROM = 5
"""Discovery picks of so many candidates for each slot it fills."""


@dataclass(frozen=True, slots=True)
class Exploration:
    """What a slate shows for discovery's sake: `items` were picked out of the best `of` candidates
    that would do, by a random order that `seed` repeats."""

    items: tuple[int, ...]
    of: int
    seed: str


@dataclass(slots=True)
class Caps:
    """How many items of one category and of one brand a slate may hold, and holds so far. None is
    any number; an item without a category or a brand is not counted there."""

    per_category: int | None = None
    per_brand: int | None = None
    categories: Counter[str] = field(default_factory=Counter)
    brands: Counter[str] = field(default_factory=Counter)

    def allow(self, candidate: Candidate) -> bool:
        return self.allow_category(candidate.category) and not (
            self.per_brand is not None
            and candidate.brand
            and self.brands[candidate.brand] >= self.per_brand
        )

    def allow_category(self, category: str) -> bool:
        return (
            self.per_category is None
            or not category
            or self.categories[category] < self.per_category
        )

    def take(self, candidate: Candidate) -> None:
        self.categories[candidate.category] += 1
        self.brands[candidate.brand] += 1

    def give_back(self, candidate: Candidate) -> None:
        self.categories[candidate.category] -= 1
        self.brands[candidate.brand] -= 1


def one_per_group(ranked: Sequence[Candidate]) -> list[Candidate]:
    """Of each variant group the best item, so that a slate never shows one shoe three times; of a
    group with a pinned item that one."""
    seen = {c.group_id for c in ranked if c.pinned and c.group_id}
    pinned: set[str] = set()
    kept = []
    for candidate in ranked:
        group = candidate.group_id
        if group:
            taken = pinned if candidate.pinned else seen
            if group in taken:
                continue
            taken.add(group)
        kept.append(candidate)
    return kept


def take_pins(
    ranked: Sequence[Candidate], *, limit: int
) -> tuple[list[Candidate], list[Candidate]]:
    """The pinned candidates that a slate of `limit` has a place for, and all others, each in their
    order. One that is pinned further down than the slate reaches is as good as any other."""
    pins: list[Candidate] = []
    others: list[Candidate] = []
    for candidate in ranked:
        pin = candidate.pin
        fits = pin is not None and pin <= limit and len(pins) < limit
        (pins if fits else others).append(candidate)
    return pins, others


def place_pins(pins: Sequence[Candidate], picked: Sequence[Candidate]) -> list[Candidate]:
    """One list of both, every pin at its position: the first of two at the same one holds it and
    the next takes the next free place. Pins without a position come first of what is left; where
    the list is too short for a position, its pin is the last."""
    size = len(pins) + len(picked)
    slots: list[Candidate | None] = [None] * size
    for candidate in sorted((c for c in pins if c.pin), key=lambda c: c.pin or 0):
        wanted = min(candidate.pin or 1, size) - 1
        free = [n for n in range(wanted, size) if slots[n] is None]
        slots[free[0] if free else _last_free(slots)] = candidate
    rest = iter([*(c for c in pins if not c.pin), *picked])
    return [candidate or next(rest) for candidate in slots]


def _last_free(slots: Sequence[Candidate | None]) -> int:
    return max(n for n, taken in enumerate(slots) if taken is None)


def diversify(
    ranked: Sequence[Candidate], *, limit: int, diversity: float, caps: Caps | None = None
) -> list[Candidate]:
    """Pick `limit` candidates by maximal marginal relevance over categories, within the caps.

    A candidate's score, scaled to 0-1 within `ranked`, is discounted for each item of its
    category picked already (Carbonell and Goldstein 1998, with category as the similarity).
    `diversity` 0 keeps the order of relevance; 1 alternates categories whenever it can. What
    `caps` counts already, such as pins, is picked already. Ties go to the earlier candidate, so
    equal input gives equal output.
    """
    caps = caps or Caps()
    picked: list[Candidate] = []
    if diversity <= 0 or not ranked:
        for candidate in ranked:
            if len(picked) == limit:
                break
            if caps.allow(candidate):
                caps.take(candidate)
                picked.append(candidate)
        return picked
    top = max(candidate.score for candidate in ranked)
    span = (top - min(candidate.score for candidate in ranked)) or 1.0
    seen = caps.categories
    queues: dict[str, deque[tuple[int, Candidate]]] = {}
    for position, candidate in enumerate(ranked):
        queues.setdefault(candidate.category, deque()).append((position, candidate))

    def head(category: str) -> tuple[float, int, str]:
        # Within a category the earlier candidate always wins, so only heads compete.
        position, candidate = queues[category][0]
        repeated = 1 - 1 / (1 + seen[category]) if category else 0.0
        worth = (1 - diversity) * (candidate.score - top) / span - diversity * repeated
        return -worth, position, category

    heads = [head(category) for category in queues]
    heapq.heapify(heads)
    while heads and len(picked) < limit:
        _, _, category = heapq.heappop(heads)
        _, candidate = queues[category].popleft()
        if caps.allow(candidate):
            caps.take(candidate)
            picked.append(candidate)
        if queues[category] and caps.allow_category(category):
            heapq.heappush(heads, head(category))
    return picked


def discover(
    picked: Sequence[Candidate],
    ranked: Sequence[Candidate],
    *,
    fits: Collection[int],
    share: float,
    caps: Caps,
    seed: str,
    kept: Collection[int] = (),
) -> tuple[list[Candidate], Exploration]:
    """The list with at least `share` of its places for the items in `fits`, as far as there are.

    Where the ranking alone falls short, the weakest of the others give their places to candidates
    of `ranked` that fit: drawn by `seed` from the best of them, a better one with a better chance.
    Items in `kept` give nothing. The caps hold before and after.
    """
    slate = list(picked)
    wanted = ceil(share * len(slate) - 1e-9)
    missing = wanted - sum(candidate.item_id in fits for candidate in slate)
    taken = {candidate.item_id for candidate in slate}
    able = [c for c in ranked if c.item_id in fits and c.item_id not in taken]
    able = able[: max(missing, 0) * EXPLORED_FROM]
    draw = random.Random(seed)  # noqa: S311  # repeatable on purpose; guards nothing
    # Efraimidis and Spirakis 2006: the largest u^(1/weight) are a weighted sample.
    chances = [draw.random() ** (1.0 + rank) for rank in range(len(able))]
    order = sorted(range(len(able)), key=lambda index: -chances[index])
    explored: list[int] = []
    for index in reversed(range(len(slate))):
        if len(explored) >= missing:
            break
        leaving = slate[index]
        if leaving.item_id in fits or leaving.item_id in kept:
            continue
        caps.give_back(leaving)
        found = next((n for n in order if caps.allow(able[n])), None)
        if found is None:
            caps.take(leaving)
            continue
        order.remove(found)
        caps.take(able[found])
        slate[index] = able[found]
        explored.append(able[found].item_id)
    return slate, Exploration(tuple(explored), len(able), seed)
