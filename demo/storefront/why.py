"""A recommendation as its shopper may read it: every contribution to its score, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from catalog.pictures import first_picture
from demo.storefront.visitor import Visitor
from profiles.signals import HISTORY_KINDS
from recommendations.feedback import get_decision
from recommendations.models import Decision
from tenants.errors import DomainError

DRAWN = 5
"""How many contributions are drawn at first; the smaller ones unfold."""

BECAUSE: Mapping[str, str] = {
    "neighbors": "often chosen by the same people",
    "content": "described alike",
    "buy_again": "people come back to it",
    "revisit": "you may still want it",
    "popularity": "popular over the last months",
    "trend": "popular these days",
    "trend_now": "popular these hours",
    "rule": "featured by the shop",
    "relevance": "it suits what you searched for",
}
"""Every generator, and what its contributions say of the item."""

DEEDS: Mapping[str, str] = {
    "view": "You looked at {about}",
    "click": "You opened {about}",
    "wishlist": "You put {about} on your wishlist",
    "add_to_cart": "You put {about} in your cart",
    "purchase": "You bought {about}",
    "return": "You returned {about}",
    "rating": "You rated {about}",
    "review": "You reviewed {about}",
    "context_item": "You are looking at {about}",
    "cart_item": "{about} is in your cart",
    "search": "You searched for {about}",
    "preference": "You prefer {about}",
    "circumstance": "What is chosen on visits like this: {about}",
    "linked": "The shop puts {about} beside it",
    "popular": "What everybody here chooses",
    "trending": "What everybody chooses this week",
    "rule": "The shop's rule {about}",
    "query": "What you searched for",
}
"""Every kind of signal, and what the shopper did."""


@dataclass(frozen=True, slots=True)
class Part:
    """One contribution. `width` is in percent of the largest of the same item.

    `about` is the item whose signals its shopper can have left out, if they did something with one.
    """

    generator: str
    signal: str
    because: str
    amount: float
    width: float
    cited: bool
    about: str


@dataclass(frozen=True, slots=True)
class Why:
    """Why one item stood in one slate. The parts add up to the score.

    `pinned` names the shop's rule that put the item first whatever its score, if there is one.
    """

    external_id: str
    title: str
    picture: str
    decision: str
    placement: str
    position: int
    slate_size: int
    reason: str
    pinned: str
    score: float
    relevance: float
    personalized: bool
    ranker_version: int | None
    latency_ms: float
    candidates: int
    strongest: tuple[Part, ...]
    others: tuple[Part, ...]

    @property
    def others_amount(self) -> float:
        return sum(part.amount for part in self.others)

    @property
    def percent(self) -> int:
        return round(100 * self.relevance)


def find_why(visitor: Visitor, decision_id: UUID, external_id: str) -> Why | None:
    """Why the item was shown to this visitor; None if it was not.

    What was decided from somebody's history is told to nobody else.
    """
    try:
        decision = get_decision(decision_id)
    except DomainError:
        return None
    mine = visitor.shopper.pk if visitor.shopper else None
    if decision.shopper_id not in {None, mine}:
        return None
    for position, item in enumerate(decision.slate, start=1):
        if item["external_id"] == external_id:
            return _why(decision, item, position)
    return None


def _why(decision: Decision, item: Mapping[str, Any], position: int) -> Why:
    reason = item["reason"] or {}
    cited = frozenset(reason.get("cited", ()))
    contributions = item["contributions"]
    largest = max((abs(each["amount"]) for each in contributions), default=0.0) or 1.0
    parts = [
        _part(each, largest=largest, cited=index in cited)
        for index, each in enumerate(contributions)
        if each["amount"]
    ]
    parts.sort(key=lambda part: -abs(part.amount))
    # What the reason cites is drawn whatever its size.
    drawn = [part for rank, part in enumerate(parts) if rank < DRAWN or part.cited]
    return Why(
        external_id=item["external_id"],
        title=item["title"],
        picture=first_picture([item["image"] or ""]),
        decision=str(decision.pk),
        placement=decision.placement,
        position=position,
        slate_size=len(decision.slate),
        reason=reason.get("text", ""),
        pinned=_pinned_by(contributions),
        score=item["score"],
        relevance=item["relevance"],
        personalized=decision.shopper_id is not None,
        ranker_version=decision.ranker_version,
        latency_ms=decision.latency_ms,
        candidates=len(decision.candidates),
        strongest=tuple(drawn),
        others=tuple(part for part in parts if part not in drawn),
    )


def _pinned_by(contributions: Sequence[Mapping[str, Any]]) -> str:
    """A pin is in the ledger with nothing to add: it moves the item, not the score."""
    for each in contributions:
        if each["generator"] == "rule" and not each["amount"]:
            return str(each["signal"].get("name") or "")
    return ""


def _part(contribution: Mapping[str, Any], *, largest: float, cited: bool) -> Part:
    amount: float = contribution["amount"]
    generator: str = contribution["generator"]
    return Part(
        generator=generator,
        signal=signal_in_words(contribution["signal"]),
        because=BECAUSE.get(generator, generator),
        amount=amount,
        width=100 * abs(amount) / largest,
        cited=cited,
        about=_about(contribution["signal"]),
    )


def _about(signal: Mapping[str, Any]) -> str:
    """The item of something that was done in the past: the cart and the page speak for now."""
    return str(signal.get("item") or "") if signal["kind"] in HISTORY_KINDS else ""


def signal_in_words(signal: Mapping[str, Any]) -> str:
    """Such as “You bought Oak table 2 times, last on 3 May 2025”."""
    kind: str = signal["kind"]
    name = signal.get("name") or signal.get("title") or signal.get("item")
    about = f"“{name}”" if name else "something"
    words = DEEDS.get(kind, kind.replace("_", " ").capitalize()).format(about=about)
    if not signal.get("event_id"):
        return words
    times: int = signal.get("events") or 1
    if times > 1:
        words = f"{words} {times} times, last"
    day = datetime.fromisoformat(signal["at"])
    return f"{words} on {day.day} {day:%B %Y}"
