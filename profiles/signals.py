"""What is evidence about a shopper: kinds of signal, and the folding of events into signals."""

import math
from dataclasses import dataclass
from enum import StrEnum

SECONDS_PER_DAY = 86_400.0
HALF_LIFE_DAYS = 180.0
"""How long it takes for a stored strength to halve."""


class SignalKind(StrEnum):
    """Every kind of signal that a ledger may name. Values are API."""

    VIEW = "view"
    CLICK = "click"
    WISHLIST = "wishlist"
    ADD_TO_CART = "add_to_cart"
    PURCHASE = "purchase"
    RETURN = "return"
    RATING = "rating"
    REVIEW = "review"
    CONTEXT_ITEM = "context_item"
    CART_ITEM = "cart_item"
    LINKED = "linked"
    PREFERENCE = "preference"
    CIRCUMSTANCE = "circumstance"
    SEARCH = "search"
    POPULAR = "popular"
    TRENDING = "trending"
    RULE = "rule"
    QUERY = "query"


HISTORY_KINDS = frozenset(
    {
        SignalKind.VIEW,
        SignalKind.CLICK,
        SignalKind.WISHLIST,
        SignalKind.ADD_TO_CART,
        SignalKind.PURCHASE,
        SignalKind.RETURN,
        SignalKind.RATING,
        SignalKind.REVIEW,
    }
)
"""Kinds that are events about an item; their value is the event kind's."""


@dataclass(frozen=True, slots=True)
class Signal:
    """All events of one kind by one shopper on one item, folded into three numbers.

    `strength` is the sum of 2^(-age / half-life) over the events, as of `last_at` (seconds
    since 1970, UTC); `count` is how many events there were; `event_id` is the latest of them. What
    is said rather than done, as a preference, has a `name`, and no item: its number is below 0.
    """

    item: int
    kind: str
    strength: float
    last_at: float
    count: int
    event_id: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class SearchedFor:
    """What a shopper searched for, as it was typed last; `at` is seconds since 1970, UTC."""

    text: str
    at: float
    event_id: int


def fold_event(
    signal: Signal | None, *, item: int, kind: str, at: float, event_id: int | None = None
) -> Signal:
    """The signal after one more event at `at`; events may come in any order.

    A late event adds what is left of it at the signal's `last_at`, so the result does not
    depend on the order of arrival. Of events at one moment the one with the higher id is later.
    """
    if signal is None:
        return Signal(item, kind, strength=1.0, last_at=at, count=1, event_id=event_id)
    last_at = max(at, signal.last_at)
    strength = faded(signal.strength, last_at - signal.last_at) + faded(1.0, last_at - at)
    latest = max((signal.last_at, signal.event_id or 0), (at, event_id or 0))[1] or None
    return Signal(item, kind, strength, last_at, signal.count + 1, latest)


def faded(strength: float, seconds: float) -> float:
    """What is left of a strength after some seconds."""
    return strength * math.exp2(-seconds / SECONDS_PER_DAY / HALF_LIFE_DAYS)
