"""A page of search results: what was understood, what can be narrowed, and the items."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.http import HttpRequest, QueryDict

from catalog.models import Item
from catalog.search.filter_syntax import FilterSyntaxError, parse_filter, write_filter
from catalog.search.values import ATTRIBUTE, Facet, Filter, Sort
from demo.shop_catalog import CURRENCY
from demo.storefront.tiles import Tile, tile_of
from demo.storefront.visitor import Visitor
from demo.storefront.words import price_text
from recommendations.searching.answer import answer
from recommendations.searching.log import record_search
from recommendations.searching.served import record_results
from recommendations.searching.values import SearchAnswer, SearchQuery, State, StatedConstraint

TILES_A_PAGE = 24
MOST_PAGES = 40
MOST_CHOICES = 8
MOST_FACETS = 5
MOST_TYPED = 200

SORTS: dict[str, Sort] = {
    "Best match": "relevance",
    "Most popular": "popular",
    "Price, low to high": "price",
    "Price, high to low": "-price",
    "Newest": "newest",
}


@dataclass(frozen=True, slots=True)
class Chip:
    """One demand on the items. `address` leads to the results without it, or, where it is only
    offered, with it; empty for what was left out."""

    label: str
    state: str
    address: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a facet, with how many items it leaves; `address` chooses it, or takes it back."""

    label: str
    count: int
    chosen: bool
    address: str


@dataclass(frozen=True, slots=True)
class Narrowing:
    """One field by which the results can be narrowed."""

    title: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that the page shows. `heading` says how the results came about, if not simply."""

    query: str
    decision: str
    total: int
    matching: int
    """Of the total; the others are like them."""
    personalized: bool
    heading: str
    instead: str
    instead_address: str
    chips: tuple[Chip, ...]
    narrowings: tuple[Narrowing, ...]
    sorts: tuple[Choice, ...]
    tiles: tuple[Tile, ...]
    near: tuple[Tile, ...]
    """What follows the last one on the page that matches, where others do."""
    previous_address: str
    next_address: str

    @property
    def more(self) -> int:
        """How many are like what matches."""
        return self.total - self.matching


def results_for(request: HttpRequest, visitor: Visitor) -> Results:
    """Search as the address says. What it says wrongly is left out."""
    given = request.GET
    filters = tuple(_filters(given.getlist("filter")))
    page = _page_number(given.get("page"))
    found = answer(
        SearchQuery(
            text=given.get("q", "")[:MOST_TYPED].replace("\x00", "").strip(),
            filters=filters,
            ignored=frozenset(given.getlist("ignore")),
            sort=next((s for s in SORTS.values() if s == given.get("sort")), "relevance"),
            offset=(page - 1) * TILES_A_PAGE,
            limit=TILES_A_PAGE,
            shopper=visitor.ref,
            session=visitor.visit,
        )
    )
    record_results(found)
    record_search(found)
    pages = -(-found.total // TILES_A_PAGE)
    tiles, until = _tiles(found)
    return Results(
        query=found.query.text,
        decision=str(found.search_id),
        total=found.total,
        matching=found.matching,
        personalized=found.personalized,
        heading=_heading(found),
        instead=found.did_you_mean or "",
        instead_address=f"?{_urlencoded(q=found.did_you_mean)}" if found.did_you_mean else "",
        chips=tuple(_chips(given, found, filters)),
        narrowings=tuple(_narrowings(given, found, filters)),
        sorts=tuple(
            Choice(label, 0, sort == found.query.sort, _changed(given, sort=sort))
            for label, sort in SORTS.items()
        ),
        tiles=tiles[:until],
        near=tiles[until:],
        previous_address=_changed(given, page=page - 1) if page > 1 else "",
        next_address=_changed(given, page=page + 1) if page < min(pages, MOST_PAGES) else "",
    )


def _heading(found: SearchAnswer) -> str:
    if found.corrected:
        return f"Showing results for “{found.corrected}”."
    if "popular" in found.rescues:
        return "Nothing here is called that. This is what sells."
    if "meaning" in found.rescues:
        return "Nothing here is called that. These come closest in meaning."
    if "some_words" in found.rescues:
        return "Nothing has all of these words. These have some of them."
    return ""


def _chips(given: QueryDict, found: SearchAnswer, filters: Sequence[Filter]) -> list[Chip]:
    chosen = [
        Chip(label_of(each), State.APPLIED, _without(given, "filter", write_filter(each)))
        for each in filters
    ]
    known = {write_filter(each) for each in filters}
    understood = [
        _understood(given, stated)
        for stated in found.understood
        if stated.constraint.id not in known
    ]
    return [*understood, *chosen]


def _understood(given: QueryDict, stated: StatedConstraint) -> Chip:
    constraint = stated.constraint
    label = label_of(constraint.filter)
    match stated.state:
        case State.APPLIED:
            return Chip(label, stated.state, _with(given, "ignore", constraint.id))
        case State.OFFERED:
            return Chip(label, stated.state, _with(given, "filter", constraint.id))
        case State.RELAXED:
            return Chip(label, stated.state, "")


def label_of(condition: Filter) -> str:
    """Such as `Up to €100`, `Not black`, `Size: M`, `Waterproof`."""
    name = condition.field.removeprefix(ATTRIBUTE).replace("_", " ")
    low, high = condition.at_least, condition.at_most
    if low is not None or high is not None:
        ends = [
            None if end is None else price_text(end, CURRENCY) if name == "price" else f"{end:f}"
            for end in (low, high)
        ]
        if None not in ends:
            words = f"{ends[0]} to {ends[1]}"
        else:
            words = f"From {ends[0]}" if low is not None else f"Up to {ends[1]}"
        return words if name == "price" else f"{name.capitalize()}: {words.lower()}"
    values = " or ".join(condition.values)
    if condition.values in {("true",), ("false",)}:
        holds = (condition.values == ("true",)) != condition.negated
        return name.capitalize() if holds else f"Not {name}"
    if condition.negated:
        return f"Not {values}"
    plain = name in {"color", "brand", "category", "material"}
    return values[:1].upper() + values[1:] if plain else f"{name.capitalize()}: {values}"


def _narrowings(
    given: QueryDict, found: SearchAnswer, filters: Sequence[Filter]
) -> list[Narrowing]:
    made = []
    for facet in found.facets:
        choices = _choices(given, facet, filters)
        if len(choices) > 1 or any(choice.chosen for choice in choices):
            title = facet.field.removeprefix(ATTRIBUTE).replace("_", " ").capitalize()
            made.append(Narrowing(title, tuple(choices)))
    return made[:MOST_FACETS]


def _choices(given: QueryDict, facet: Facet, filters: Sequence[Filter]) -> list[Choice]:
    counted = [
        (value.value, value.count, Filter(facet.field, (value.value,))) for value in facet.values
    ]
    if facet.field == "price":
        for part in facet.ranges:
            condition = Filter("price", at_least=part.at_least, at_most=_below(part.below))
            counted.append((label_of(condition), part.count, condition))
    return [
        Choice(
            label=label,
            count=count,
            chosen=condition in filters,
            address=_without(given, "filter", write_filter(condition))
            if condition in filters
            else _with(given, "filter", write_filter(condition)),
        )
        for label, count, condition in counted
        if count or condition in filters
    ][:MOST_CHOICES]


def _below(bound: Decimal | None) -> Decimal | None:
    """The greatest price below the bound that has no more than two decimals."""
    return None if bound is None else bound - Decimal("0.01")


def _tiles(found: SearchAnswer) -> tuple[tuple[Tile, ...], int]:
    """The page, and where on it the items end that match; all of it where none does anywhere."""
    items = Item.objects.select_related("offer").in_bulk([f.item.item_id for f in found.items])
    shown = [each for each in found.items if each.item.item_id in items]
    decision = str(found.search_id)
    tiles = tuple(tile_of(items[each.item.item_id], decision=decision) for each in shown)
    if not found.matching:
        return tiles, len(tiles)
    places = [place for place, each in enumerate(shown, start=1) if each.matches]
    return tiles, max(places, default=0)


def _filters(texts: Sequence[str]) -> list[Filter]:
    found = []
    for text in texts[:20]:
        try:
            found.append(parse_filter(text.replace("\x00", "")))
        except FilterSyntaxError:
            continue
    return found


def _page_number(text: str | None) -> int:
    number = int(text) if text and text.isascii() and text.isdecimal() and len(text) < 4 else 1
    return min(max(number, 1), MOST_PAGES)


def _with(given: QueryDict, name: str, value: str) -> str:
    changed = given.copy()
    changed.appendlist(name, value)
    return _first_page(changed)


def _without(given: QueryDict, name: str, value: str) -> str:
    changed = given.copy()
    changed.setlist(name, [each for each in given.getlist(name) if each != value])
    return _first_page(changed)


def _first_page(changed: QueryDict) -> str:
    changed.pop("page", None)
    return f"?{changed.urlencode()}"


def _changed(given: QueryDict, **values: object) -> str:
    changed = given.copy()
    if "page" not in values:
        changed.pop("page", None)
    for name, value in values.items():
        changed[name] = str(value)
    return f"?{changed.urlencode()}"


def _urlencoded(**values: object) -> str:
    made = QueryDict(mutable=True)
    for name, value in values.items():
        made[name] = str(value)
    return made.urlencode()
