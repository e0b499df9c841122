"""What the search API takes and answers."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from catalog.search.filter_syntax import FIELDS, FilterSyntaxError, parse_filter
from catalog.search.values import ATTRIBUTE, MOST_OFFSET, Filter
from recommendations.api.inputs import ActionOutput, Country, Device, OfferOutput, Referrer
from recommendations.rules import Circumstances
from tenants.input import ExternalId, Input, Text

MAX_LIMIT = 100
MAX_FILTERS = 30
MAX_FACETS = 20
MAX_SUGGESTIONS = 20

Language = Annotated[str, Field(pattern=r"^([A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})?)?$")]
SortName = Literal["relevance", "price", "-price", "newest", "popular"]


def _filter(text: Any) -> Filter:
    try:
        return parse_filter(str(text))
    except FilterSyntaxError as error:
        raise ValueError(str(error)) from error


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if value else []


USUAL_FACETS = "usual"
"""Stands for the fields by which a shop of this kind is usually narrowed."""


def _facet(name: str) -> str:
    """The field that a facet names; any name that is not a field's own is an attribute's."""
    if name == USUAL_FACETS:
        return name
    return name if name in FIELDS or name.startswith(ATTRIBUTE) else ATTRIBUTE + name


class SearchInput(Input):
    q: Text = Field("", description="The shopper's words; without them, everything is listed.")
    filter: list[Annotated[Filter, BeforeValidator(_filter)]] = Field(
        default_factory=list,
        max_length=MAX_FILTERS,
        description="`field:value`, `field:one|other`, `price:10..50`, with `-` before it to"
        " exclude; may be repeated, and all have to hold.",
    )
    ignore: list[Text] = Field(
        default_factory=list,
        max_length=MAX_FILTERS,
        description="The id of an understood constraint that the shopper removed; may be repeated.",
    )
    facets: Annotated[
        list[Annotated[Text, Field(min_length=1), AfterValidator(_facet)]],
        BeforeValidator(_split),
    ] = Field(
        default_factory=list,
        max_length=MAX_FACETS,
        description="Fields to count, separated by commas, or `usual` for those that suit the"
        " shop; none by default, for counting takes longer than searching.",
    )
    sort: SortName = "relevance"
    offset: int = Field(0, ge=0, le=MOST_OFFSET)
    limit: int = Field(24, ge=1, le=MAX_LIMIT)
    language: Language = Field("", description="Of the words, such as de.")
    shopper: ExternalId | None = Field(None, description="The shop's own id of a known shopper.")
    anonymous: ExternalId | None = Field(None, description="A device or cookie id.")
    session: ExternalId | None = Field(None, description="The visit, as the storefront names it.")
    device: Device = ""
    country: Country = ""
    referrer: Referrer = ""
    gpc: bool = Field(default=False, description="The browser sent Global Privacy Control.")

    @property
    def around(self) -> Circumstances:
        return Circumstances(self.q, self.device, self.country, self.referrer)


class SuggestionsInput(Input):
    q: Text = Field("", description="What was typed so far.")
    limit: int = Field(8, ge=1, le=MAX_SUGGESTIONS)


class ConstraintOutput(BaseModel):
    id: str = Field(description="Name it in `ignore` to remove it, or in `filter` to demand it.")
    field: str
    values: list[str]
    at_least: str | None
    at_most: str | None
    negated: bool
    words: str = Field(description="The words of the query that said so.")
    state: Literal["applied", "offered", "relaxed"]


class FacetValueOutput(BaseModel):
    value: str
    count: int
    filter: str = Field(description="The filter that demands it.")


class FacetRangeOutput(BaseModel):
    at_least: str | None
    below: str | None
    count: int


class FacetOutput(BaseModel):
    field: str
    values: list[FacetValueOutput]
    ranges: list[FacetRangeOutput]
    least: str | None
    most: str | None


class FoundItemOutput(BaseModel):
    item: str
    kind: str
    title: str
    brand: str
    category_path: list[str]
    image: str
    address: str
    offer: OfferOutput | None
    relevance: float = Field(ge=0, le=1, description="Of the words alone; the best found has 1.")
    matches: bool = Field(description="Whether it counts in `matching`, or is merely near.")
    actions: list[ActionOutput]


class SearchOutput(BaseModel):
    search: str = Field(description="Name it as the `decision` of events, and ask why by it.")
    query: str
    searched: str = Field(description="What was searched for, once constraints were taken out.")
    understood: list[ConstraintOutput]
    unused: list[str] = Field(description="Words that demand what cannot be checked.")
    ignored: list[str] = Field(description="Words of `searched` that no item has.")
    corrected: str | None = Field(description="The words that were taken for misspelled ones.")
    did_you_mean: str | None
    rescues: list[str] = Field(description="How the search was widened because it found nothing.")
    personalized: bool
    fallbacks: list[str]
    total: int
    matching: int = Field(
        description="Of the total, what has every word, or if nothing does, some of them; the"
        " others are near by some of the words, or by meaning."
    )
    offset: int
    limit: int
    items: list[FoundItemOutput]
    facets: list[FacetOutput]
    actions: list[ActionOutput]


class SuggestionOutput(BaseModel):
    text: str
    kind: Literal["query", "category", "brand", "item"]
    item: str | None
    address: str


class SuggestionsOutput(BaseModel):
    query: str
    suggestions: list[SuggestionOutput]
    fallbacks: list[str]
