"""What a search is asked, and what it answers: the values that everything around it speaks in."""

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final, Literal

Sort = Literal["relevance", "price", "-price", "newest", "popular"]

IN_STOCK: Final = "in_stock"
SOLD_OUT: Final = "sold_out"

MOST_OFFSET: Final = 10_000
MOST_LIMIT: Final = 1_000
"""How far a listing can be paged, and how much one page may hold."""

FIELDS: Final = ("price", "availability", "category", "brand", "kind")
ATTRIBUTE: Final = "attributes."
"""How the name of a field begins that is an attribute: `attributes.color`."""


class Retriever(StrEnum):
    """Who found an item; a word of `Contribution`."""

    CODE = "code"
    LEXICAL = "lexical"
    DENSE = "dense"
    POPULAR = "popular"


class Fallback(StrEnum):
    """What a search was answered without. Values are API."""

    SEARCH_INDEX = "search_index"
    SEARCH_VECTORS = "search_vectors"


class Rescue(StrEnum):
    """How a search that found nothing was widened, from the narrowest to the widest."""

    SOME_WORDS = "some_words"
    """Items with some of the words, not all."""
    SPELLING = "spelling"
    """Items with a word spelled almost like one of these."""
    MEANING = "meaning"
    """Items that mean something like it, without its words."""
    POPULAR = "popular"
    """Nothing is like it: what sells, within the same filters."""


def known_field(name: str) -> str:
    """`name`, if it is a field of filters and facets. Raises ValueError."""
    if name in FIELDS or (name.startswith(ATTRIBUTE) and name != ATTRIBUTE):
        return name
    raise ValueError(f"{name!r} is no field of the search.")


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on items. All filters of a request have to hold.

    `field` is `price`, `availability`, `category`, `brand`, `kind`, or `attributes.<name>`.
    Without a filter on `availability` only what is in stock is found; its values are `in_stock`
    and `sold_out`. Text is compared without regard to case; a category holds for all below it.
    """

    field: str
    values: tuple[str, ...] = ()
    """Any of these."""
    at_least: Decimal | None = None
    """Inclusive, as is `at_most`; an item without a number is outside."""
    at_most: Decimal | None = None
    negated: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError for a condition that cannot be meant."""
        known_field(self.field)
        bounded = self.at_least is not None or self.at_most is not None
        if bounded and not (self.field == "price" or self.field.startswith(ATTRIBUTE)):
            raise ValueError(f"{self.field} is no number.")
        if not bounded and not self.values:
            raise ValueError(f"The filter on {self.field} has no value.")
        for value in self.values if self.field == "price" else ():
            try:
                Decimal(value)
            except InvalidOperation:
                raise ValueError(f"{value!r} is no price.") from None


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One search. Without a text it lists what the filters leave."""

    text: str = ""
    filters: tuple[Filter, ...] = ()
    sort: Sort = "relevance"
    offset: int = 0
    limit: int = 24
    facets: tuple[str, ...] = ()
    """The fields to count, named as in `Filter`."""
    language: str = ""
    """The text's, as `de`; empty: the tenant's."""
    synonyms: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Words or phrases of the text, each with what may stand for it."""
    popular: tuple[int, ...] = ()
    """Item ids from the most popular on, for the sort by popularity and the last rescue."""
    explain: bool = False
    """Whether hits say what each field added. It takes a pass over the index for each of them."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one field, or one retriever, adds to a score."""

    retriever: Retriever
    field: str
    amount: float


@dataclass(frozen=True, slots=True)
class Hit:
    """One item found: it is listed and its price holds at this moment."""

    item_id: int
    score: float
    contributions: tuple[Contribution, ...] = ()
    """They add up to the score; empty unless the request asks for them."""
    matches: bool = True
    """Whether it counts as matching (`SearchResults.matching`), or is merely like what does."""


@dataclass(frozen=True, slots=True)
class FacetValue:
    value: str
    count: int


@dataclass(frozen=True, slots=True)
class FacetRange:
    """Items from `at_least` (inclusive) to `below` (exclusive); None is open."""

    at_least: Decimal | None
    below: Decimal | None
    count: int


@dataclass(frozen=True, slots=True)
class Facet:
    """What there is to choose from in one field, counted over everything found.

    A field that is filtered itself is counted as if it were not, so that a shopper sees what
    another choice would bring.
    """

    field: str
    values: tuple[FacetValue, ...] = ()
    """The most frequent first."""
    ranges: tuple[FacetRange, ...] = ()
    """Of numbers."""
    least: Decimal | None = None
    most: Decimal | None = None


@dataclass(frozen=True, slots=True)
class SearchResults:
    """A page of what was found, and how."""

    hits: tuple[Hit, ...]
    total: int
    """Everything found, over all pages; variants of one thing count once."""
    matching: int = 0
    """Of these, what has every word, or is named by its code; if nothing does, what has some of the
    words. The others are near: by some of the words, or by meaning alone."""
    facets: tuple[Facet, ...] = ()
    rescues: tuple[Rescue, ...] = ()
    """How the search was widened, because it found nothing as it was asked."""
    fallbacks: tuple[Fallback, ...] = ()
    corrected: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Words of the text that no item has, each with the words of the catalog taken for it."""
    ignored: tuple[str, ...] = field(default=())
    """Words of the text that no item has, and nothing was taken for."""
