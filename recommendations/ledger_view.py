"""A decision as a merchandiser reads it: why each item of the slate stood where it stood."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any

from catalog.pictures import first_picture

SHOWN_CONTRIBUTIONS = 6
"""How many contributions of an item are drawn at first; the smaller ones unfold."""

GENERATORS: Mapping[str, str] = {
    "neighbors": "often chosen by the same shoppers",
    "content": "described alike",
    "buy_again": "shoppers come back to it",
    "revisit": "still of interest",
    "popularity": "popular over months",
    "trend": "popular these days",
    "trend_now": "popular these hours",
    "rule": "your rule",
    "relevance": "suits what was searched for",
}
"""Every generator and what its contributions say of the item."""

DEEDS: Mapping[str, str] = {
    "view": "Viewed",
    "click": "Clicked on",
    "wishlist": "Put on the wishlist:",
    "add_to_cart": "Put in the cart:",
    "purchase": "Bought",
    "return": "Returned",
    "rating": "Rated",
    "review": "Reviewed",
    "context_item": "On the page of",
    "cart_item": "In the cart:",
    "linked": "Linked by the shop",
    "preference": "Prefers",
    "circumstance": "The visit:",
    "search": "Searched for",
    "popular": "What all shoppers choose",
    "trending": "What shoppers choose these days",
    "rule": "Rule",
    "query": "What was searched for",
}
"""How a signal of each kind begins in words."""


WITHOUT_AN_ITEM = frozenset({"popular", "trending", "query"})


def kinds_in(slate: Iterable[Mapping[str, Any]]) -> set[str]:
    """The kinds of signal that count in the ledgers of a stored slate."""
    return {line["signal"]["kind"] for item in slate for line in item.get("contributions", ())}


@dataclass(frozen=True, slots=True)
class Segment:
    """One contribution's part of an item's bar, in percent of the bar's width."""

    generator: str
    start: float
    width: float
    negative: bool
    title: str


@dataclass(frozen=True, slots=True)
class ContributionView:
    """One line of the ledger in words. `width` is in percent of the slate's largest amount."""

    generator: str
    because: str
    signal: str
    item_id: int | None
    event_id: int | None
    amount: float
    width: float
    cited: bool

    @property
    def amount_in_words(self) -> str:
        """Four decimal places; what they would call zero is told from what is zero."""
        if not self.amount:
            return "–"
        shown = f"{self.amount:+.4f}"
        return shown if float(shown) else f"{shown[0]}<0.0001"


@dataclass(frozen=True, slots=True)
class ItemView:
    """One item of the slate with its score as a bar and its ledger, strongest first."""

    position: int
    item_id: int
    external_id: str
    title: str
    picture: str
    score: float
    relevance: float
    reason: str
    reason_kind: str
    segments: tuple[Segment, ...]
    strongest: tuple[ContributionView, ...]
    others: tuple[ContributionView, ...]

    @property
    def others_amount(self) -> float:
        return sum(contribution.amount for contribution in self.others)


def draw_slate(slate: Sequence[Mapping[str, Any]]) -> list[ItemView]:
    """The items of `Decision.slate` in order, all drawn to one scale."""
    scale = _Scale.of(slate)
    return [_draw_item(item, position, scale) for position, item in enumerate(slate, start=1)]


@dataclass(frozen=True, slots=True)
class _Scale:
    """How much score a bar holds on either side of zero, and the largest single amount."""

    above: float
    below: float
    largest: float

    @classmethod
    def of(cls, slate: Sequence[Mapping[str, Any]]) -> "_Scale":
        ledgers = [[c["amount"] for c in item["contributions"]] for item in slate]
        return cls(
            above=max((sum(a for a in ledger if a > 0) for ledger in ledgers), default=0.0) or 1.0,
            below=max((-sum(a for a in ledger if a < 0) for ledger in ledgers), default=0.0),
            largest=max((abs(a) for ledger in ledgers for a in ledger), default=0.0) or 1.0,
        )

    def percent(self, amount: float) -> float:
        """Where `amount` lies in the bar."""
        return 100 * (self.below + amount) / (self.below + self.above)


def _draw_item(item: Mapping[str, Any], position: int, scale: _Scale) -> ItemView:
    reason = item.get("reason") or {}
    cited = frozenset(reason.get("cited", ()))
    drawn = [
        _draw_contribution(contribution, scale, cited=index in cited)
        for index, contribution in enumerate(item["contributions"])
    ]
    drawn.sort(key=lambda contribution: -abs(contribution.amount))
    # What the reason cites is shown whatever its size.
    shown = [c for rank, c in enumerate(drawn) if rank < SHOWN_CONTRIBUTIONS or c.cited]
    return ItemView(
        position=position,
        item_id=item["item_id"],
        external_id=item["external_id"],
        title=item["title"],
        picture=first_picture([item.get("image") or ""]),
        score=item["score"],
        relevance=item["relevance"],
        reason=reason.get("text", ""),
        reason_kind=reason.get("kind", ""),
        segments=tuple(_draw_segments(drawn, scale)),
        strongest=tuple(shown),
        others=tuple(c for c in drawn if c not in shown),
    )


def _draw_contribution(
    contribution: Mapping[str, Any], scale: _Scale, *, cited: bool
) -> ContributionView:
    signal = contribution["signal"]
    amount = contribution["amount"]
    return ContributionView(
        generator=contribution["generator"],
        because=_because(contribution["generator"], amount),
        signal=signal_in_words(signal),
        item_id=signal.get("item_id"),
        event_id=signal.get("event_id"),
        amount=amount,
        width=min(100.0, 100 * abs(amount) / scale.largest),
        cited=cited,
    )


def _because(generator: str, amount: float) -> str:
    if generator == "rule" and not amount:
        return "puts it first, whatever its score"
    return GENERATORS.get(generator, generator)


def _draw_segments(contributions: Iterable[ContributionView], scale: _Scale) -> Iterable[Segment]:
    """Gains from zero to the right and losses from zero to the left, by generator."""
    order = {generator: rank for rank, generator in enumerate(GENERATORS)}
    ranked = sorted(contributions, key=lambda c: (order.get(c.generator, 99), -abs(c.amount)))
    for sign in (1, -1):
        side = [c for c in ranked if c.amount * sign > 0]
        ends = list(accumulate((c.amount for c in side), initial=0.0))
        for contribution, start, end in zip(side, ends, ends[1:], strict=False):
            left, right = sorted((scale.percent(start), scale.percent(end)))
            yield Segment(
                generator=contribution.generator,
                start=left,
                width=right - left,
                negative=sign < 0,
                title=f"{contribution.signal}: {contribution.amount:+.4f}",
            )


def signal_in_words(signal: Mapping[str, Any]) -> str:
    """Such as “Bought Oak table twice, last on 3 May 2025”."""
    kind = signal["kind"]
    if kind in WITHOUT_AN_ITEM:
        return DEEDS[kind]
    about = signal.get("name") or signal.get("title") or signal.get("item") or ""
    deed = DEEDS.get(kind, kind.replace("_", " ").capitalize())
    times = signal.get("events") or 1
    parts = [deed, f"“{about}”" if about else "", f"{times} times" if times > 1 else ""]
    words = " ".join(part for part in parts if part)
    at = signal.get("at")
    if not at:
        return words
    day = datetime.fromisoformat(at)
    return f"{words}, {'last ' if times > 1 else ''}on {day.day} {day:%B %Y}"
