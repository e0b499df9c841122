"""What a shopper can choose from: values and ranges, counted over everything found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from tantivy import Occur, Query

from catalog.search.lexical import Lexical, conditions, these
from catalog.search.ranges import between, boundaries
from catalog.search.schema import PRICE_UNIT, attribute_key
from catalog.search.values import (
    ATTRIBUTE,
    Facet,
    FacetRange,
    FacetValue,
    Filter,
)

MOST_VALUES: Final = 100
"""Of one facet; the rarest are left out."""

COUNTED: Final = 5_000
"""Different values that are counted before the rarest are left out."""

COLUMNS: Final = {
    "availability": "availability",
    "brand": "brand_facet",
    "category": "category_facet",
    "kind": "kind_facet",
}


@dataclass(frozen=True, slots=True)
class Found:
    """Everything found: what has to match, and items that belong to it whatever they match."""

    matching: Query | None
    """Without the filters; None is nothing."""
    also: Sequence[int] = ()
    never: Sequence[int] = ()


def count_facets(
    fields: Sequence[str], found: Found, lexical: Lexical, filters: Sequence[Filter]
) -> tuple[Facet, ...]:
    """The facets of these fields. Those that are not filtered are counted in one pass."""
    filtered = {each.field for each in filters}
    together = [field for field in fields if field not in filtered]
    groups = [together] if together else []
    groups += [[field] for field in dict.fromkeys(fields) if field in filtered]
    facets: dict[str, Facet] = {}
    for group in groups:
        but = group[0] if group[0] in filtered else ""
        query = _query(found, lexical, conditions(lexical.opened, filters, but=but))
        facets |= _counted(group, query, lexical)
    return tuple(facets[field] for field in fields)


def _query(found: Found, lexical: Lexical, restricted: Sequence[tuple[Occur, Query]]) -> Query:
    parts = []
    if found.matching is not None:
        parts.append((Occur.Should, found.matching))
    if found.also:
        ids = these(lexical.schema, list(found.also))
        parts.append((Occur.Should, ids))
    if not parts:
        return Query.empty_query()
    clauses = [(Occur.Must, Query.boolean_query(parts)), *restricted]
    if found.never:
        ids = these(lexical.schema, list(found.never))
        clauses.append((Occur.MustNot, ids))
    return Query.boolean_query(clauses)


def _counted(fields: Sequence[str], query: Query, lexical: Lexical) -> dict[str, Facet]:
    searcher = lexical.opened.searcher
    asked: dict[str, Any] = {}
    for field in fields:
        if field == "price":
            # Where an item has no price, it is below 0.
            asked[field] = {
                "range": {"field": "price", "ranges": [{"from": 0.0}]},
                "aggs": {"priced": {"stats": {"field": "price"}}},
            }
            continue
        column = COLUMNS.get(field) or _column("attribute_facet", field)
        asked[field] = {"terms": {"field": column, "size": COUNTED}}
        if field.startswith(ATTRIBUTE):
            asked[f"stats {field}"] = {"stats": {"field": _column("number_facet", field)}}
    answers = searcher.aggregate(query, asked) if asked else {}
    facets = {field: _facet(field, answers) for field in fields if field != "price"}
    if "price" in fields:
        [priced] = [each for each in answers["price"]["buckets"] if each.get("from") == 0]
        facets["price"] = _price_facet(query, priced["priced"], lexical)
    return facets


def _column(json_field: str, field: str) -> str:
    return f"{json_field}.{attribute_key(field.removeprefix(ATTRIBUTE))}"


def _facet(field: str, answers: Mapping[str, Any]) -> Facet:
    counts: dict[str, int] = {}
    shown: dict[str, str] = {}
    for bucket in answers[field]["buckets"]:
        value, count = str(bucket["key"]), int(bucket["doc_count"])
        # The most frequent spelling stands for the others.
        shown.setdefault(value.lower(), value)
        counts[value.lower()] = counts.get(value.lower(), 0) + count
    ordered = sorted(counts, key=lambda value: (-counts[value], value))[:MOST_VALUES]
    values = tuple(FacetValue(shown[value], counts[value]) for value in ordered)
    numbers = answers.get(f"stats {field}")
    if numbers is None or not numbers["count"]:
        return Facet(field, values)
    least, most = Decimal(str(numbers["min"])), Decimal(str(numbers["max"]))
    return Facet(field, values, least=least.normalize(), most=most.normalize())


def _price_facet(query: Query, stats: Mapping[str, Any], lexical: Lexical) -> Facet:
    """The ranges of prices that lie between the least and the greatest: another pass."""
    if not stats["count"]:
        return Facet("price")
    least = Decimal(int(stats["min"])) / PRICE_UNIT
    most = Decimal(int(stats["max"])) / PRICE_UNIT
    ranges = between(boundaries(least, most))
    if not ranges:
        return Facet("price", least=least, most=most)
    # From 0 on, for what has no price is below that.
    asked = [_bounds(at_least or Decimal(0), below) for at_least, below in ranges]
    counting = {"price": {"range": {"field": "price", "ranges": asked}}}
    answer = lexical.opened.searcher.aggregate(query, counting)
    counts = {_place(bucket): int(bucket["doc_count"]) for bucket in answer["price"]["buckets"]}
    counted = tuple(
        FacetRange(at_least, below, counts.get((bounds.get("from"), bounds.get("to")), 0))
        for (at_least, below), bounds in zip(ranges, asked, strict=True)
    )
    return Facet("price", ranges=counted, least=least, most=most)


def _bounds(at_least: Decimal | None, below: Decimal | None) -> dict[str, float]:
    named = (("from", at_least), ("to", below))
    return {name: float(bound * PRICE_UNIT) for name, bound in named if bound is not None}


def _place(bucket: Mapping[str, Any]) -> tuple[float | None, float | None]:
    return bucket.get("from"), bucket.get("to")
