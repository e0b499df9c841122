"""What a shopper's search asks, and what it is answered."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from catalog.search.understanding.understand import Constraint
from catalog.search.values import Facet, Filter, Sort
from profiles.identity import ShopperRef
from recommendations.rules import NO_CIRCUMSTANCES, Circumstances
from recommendations.values import ServedItem

PLACEMENT = "search"


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """One search of one shopper. `ignored` are ids of constraints that the shopper removed.

    `facets` None: those that a shop of this kind is usually narrowed by.
    """

    text: str = ""
    filters: tuple[Filter, ...] = ()
    ignored: frozenset[str] = frozenset()
    facets: tuple[str, ...] | None = None
    sort: Sort = "relevance"
    offset: int = 0
    limit: int = 24
    language: str = ""
    shopper: ShopperRef | None = None
    session: str | None = None
    around: Circumstances = NO_CIRCUMSTANCES
    """What the request says of itself; rules may ask for it. Its `query` is not read: `text` is."""
    gpc: bool = False
    """Sent with Global Privacy Control."""


class State(StrEnum):
    """What became of a constraint. Values are API."""

    APPLIED = "applied"
    """It filters."""
    OFFERED = "offered"
    """Its words rank; the shopper may make a filter of it."""
    RELAXED = "relaxed"
    """Nothing was found with it, so it was left out."""


@dataclass(frozen=True, slots=True)
class StatedConstraint:
    constraint: Constraint
    state: State


@dataclass(frozen=True, slots=True)
class FoundItem:
    """One item of the page. `relevance` in 0-1 is that of the text alone: 1 is the best found.

    The ledger of `item` says what it was ordered by: relevance, and what moved it within its band.
    """

    item: ServedItem
    relevance: float
    matches: bool
    """Whether it has what was searched for, or is merely like what does."""


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """A page of results, and all that was done to the query on the way.

    Of the `total`, `matching` have every word (if none does: some of the words); the others are
    near by some of the words, or by meaning.

    `searched` is the text that was searched for, `ignored` the words of it that no item has.
    `rescues` are ways by which the search was widened because it found nothing; `corrected` is the
    text with the words of the catalog that were taken for misspelled ones; `did_you_mean` another
    query that may find more.
    """

    search_id: UUID
    query: SearchQuery
    searched_at: datetime
    searched: str
    total: int
    matching: int
    items: tuple[FoundItem, ...] = ()
    facets: tuple[Facet, ...] = ()
    understood: tuple[StatedConstraint, ...] = ()
    unused: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    corrected: str | None = None
    did_you_mean: str | None = None
    rescues: tuple[str, ...] = ()
    personalized: bool = False
    shopper_id: int | None = None
    fallbacks: tuple[str, ...] = ()
    latency_ms: float = 0.0
    context: dict[str, Any] | None = None
