"""Searching in the tables alone, for while there is no index to search in.

Titles by their trigrams, and external ids: less than the index knows, but never stale, and there
from the first item on.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from django.db import transaction

from catalog.search.conditions import (
    ATTRIBUTE_TEXTS,
    FROM_ITEMS,
    IS_IN_STOCK,
    IS_NUMBER,
    PRICE,
    where,
)
from catalog.search.ranges import between, boundaries
from catalog.search.values import (
    ATTRIBUTE,
    Contribution,
    Facet,
    FacetRange,
    FacetValue,
    Hit,
    Rescue,
    Retriever,
    SearchRequest,
    SearchResults,
)
from tenants.connection import connection

MOST_FOUND: Final = 5_000
"""Of a text that says next to nothing; a listing without a text has no such end."""

MOST_WORDS: Final = 12
ALIKE: Final = 0.4
"""The share of trigrams that a misspelled text has in common with a part of the title."""

MOST_FACET_VALUES: Final = 100

# Of the variants of one thing the first in the order is listed; an id is never taken for a group.
THING: Final = "CASE WHEN i.group_id = '' THEN i.id::text ELSE '=' || i.group_id END"
FIRST_OF_THINGS: Final = f"""
    WITH listed AS (
        SELECT i.id, m.score, {THING} AS thing, {IS_IN_STOCK} AS buyable,
            row_number() OVER (ORDER BY {{order}}) AS place {{found}}
    ), firsts AS (
        SELECT DISTINCT ON (thing) id, score, place FROM listed ORDER BY thing, {{preferred}} place
    )
    SELECT id, score FROM firsts ORDER BY place OFFSET %s LIMIT %s
"""

ORDERS: Final = {
    "relevance": "score DESC, i.id",
    "price": f"{PRICE}, i.id",
    "-price": f"{PRICE} DESC NULLS LAST, i.id",
    "newest": "i.created_at DESC, i.id DESC",
    "popular": "array_position(%s::bigint[], i.id), i.created_at DESC, i.id DESC",
}


def find_in_tables(request: SearchRequest) -> SearchResults:
    """As `find`, from the tables. Raises DatabaseError."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL pg_trgm.word_similarity_threshold = {ALIKE}")
        for rescue, (matches, values) in _ways(request.text):
            results = _listed(request, matches, values, rescue)
            if results.total:
                return results
    return SearchResults(hits=(), total=0)


def _ways(text: str) -> Iterator[tuple[Rescue | None, tuple[str, list[Any]]]]:
    """What matches, as a condition and a score of SQL: from the strictest way on."""
    words = [re.escape(word) for word in re.findall(r"\w+", text)[:MOST_WORDS]]
    if not words:
        yield None, ("SELECT id, 0.0 AS score FROM catalog_item", [])
        return
    patterns = [rf"\m{word}" for word in words]
    every = " AND ".join("title ~* %s" for _ in words)
    some = " OR ".join("title ~* %s" for _ in words)
    count = " + ".join("(title ~* %s)::int" for _ in words)
    yield (
        None,
        (
            "SELECT id, CASE WHEN external_id = %s THEN 2 ELSE similarity(title, %s) END AS score"
            f" FROM catalog_item WHERE external_id = %s OR ({every})"
            f" ORDER BY id LIMIT {MOST_FOUND}",
            [text, text, text, *patterns],
        ),
    )
    if len(words) > 1:
        yield (
            Rescue.SOME_WORDS,
            (
                f"SELECT id, {count} + similarity(title, %s) AS score FROM catalog_item"
                f" WHERE {some} ORDER BY id LIMIT {MOST_FOUND}",
                [*patterns, text, *patterns],
            ),
        )
    yield (
        Rescue.SPELLING,
        (
            "SELECT id, word_similarity(%s, title) AS score FROM catalog_item"
            f" WHERE %s <%% title ORDER BY id LIMIT {MOST_FOUND}",
            [text, text],
        ),
    )


def _listed(
    request: SearchRequest, matches: str, values: list[Any], rescue: Rescue | None
) -> SearchResults:
    condition, given = where(request.filters)
    found = f"FROM ({matches}) m JOIN ({FROM_ITEMS}) ON i.id = m.id WHERE {condition}"
    order = ORDERS[request.sort]
    ordering: list[Any] = [list(request.popular)] if "%s" in order else []
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(DISTINCT {THING}) {found}", [*values, *given])
        (total,) = cursor.fetchone() or (0,)
        # By relevance a variant that can be bought stands for its thing before one that cannot.
        preferred = "NOT buyable," if request.sort == "relevance" else ""
        cursor.execute(
            FIRST_OF_THINGS.format(order=order, found=found, preferred=preferred),
            [*ordering, *values, *given, request.offset, request.limit],
        )
        hits = tuple(
            Hit(pk, float(score), (Contribution(Retriever.LEXICAL, "title", float(score)),))
            for pk, score in cursor.fetchall()
        )
    return SearchResults(
        hits=hits,
        total=total,
        matching=total,
        facets=tuple(_facet(field, request, matches, values) for field in request.facets)
        if total
        else (),
        rescues=() if rescue is None else (rescue,),
    )


def _facet(field: str, request: SearchRequest, matches: str, values: list[Any]) -> Facet:
    """One field's choices, counted as if it were not filtered."""
    condition, given = where(request.filters, but=field)
    found = f"FROM ({matches}) m JOIN ({FROM_ITEMS}) ON i.id = m.id"
    with connection.cursor() as cursor:
        if field == "price":
            return _price_facet(cursor, f"{found} WHERE {condition}", [*values, *given])
        source, named = _source(field)
        cursor.execute(
            f"SELECT min(v), count(DISTINCT i.id) {found}, LATERAL ({source}) s(v)"
            f" WHERE {condition} AND btrim(v) <> ''"
            f" GROUP BY lower(btrim(v)) ORDER BY 2 DESC, lower(min(v)) LIMIT {MOST_FACET_VALUES}",
            [*values, *named, *given],
        )
        counted = tuple(FacetValue(value.strip(), count) for value, count in cursor.fetchall())
        if not field.startswith(ATTRIBUTE):
            return Facet(field, counted)
        cursor.execute(
            f"SELECT min(v::numeric), max(v::numeric) {found}, LATERAL ({source}) s(v)"
            f" WHERE {condition} AND v ~ {IS_NUMBER}",
            [*values, *named, *given],
        )
        least, most = cursor.fetchone() or (None, None)
    return Facet(field, counted, least=least, most=most)


def _source(field: str) -> tuple[str, list[Any]]:
    """A sub-query of the values of a field, as text."""
    match field:
        case "availability":
            return f"SELECT CASE WHEN {IS_IN_STOCK} THEN 'in_stock' ELSE 'sold_out' END", []
        case "category":
            return "SELECT unnest(i.category_path)", []
        case "brand" | "kind":
            return f"SELECT i.{field}", []
        case _:
            name = field.removeprefix(ATTRIBUTE)
            return f"SELECT t FROM {ATTRIBUTE_TEXTS} t", [name, name, name]


def _price_facet(cursor: Any, found: str, values: list[Any]) -> Facet:
    cursor.execute(f"SELECT min({PRICE}), max({PRICE}) {found}", values)
    least, most = cursor.fetchone() or (None, None)
    if least is None or most is None:
        return Facet("price")
    bounds = boundaries(Decimal(least), Decimal(most))
    cursor.execute(
        f"SELECT width_bucket({PRICE}, %s::numeric[]), count(*) {found}"
        f" AND {PRICE} IS NOT NULL GROUP BY 1",
        [bounds, *values],
    )
    counts = dict(cursor.fetchall())
    ranges = tuple(
        FacetRange(at_least, below, counts.get(place, 0))
        for place, (at_least, below) in enumerate(between(bounds))
    )
    return Facet("price", ranges=ranges, least=least, most=most)
