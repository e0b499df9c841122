"""Searching the catalog: `find` is the one way in."""

import logging
import math
from collections.abc import Sequence
from dataclasses import replace

from prometheus_client import Counter
from tantivy import Query

from catalog.search.dense import look
from catalog.search.facets import Found, count_facets
from catalog.search.lexical import FIELD_WEIGHTS, Lexical, conditions
from catalog.search.listing import of_filters, of_text
from catalog.search.ranked import CODE_SCORE, Ranked, rank
from catalog.search.relational import find_in_tables
from catalog.search.slots import Dictionary, Parsed
from catalog.search.storage import (
    IndexUnavailable,
    OpenIndex,
    ask_for_rebuild,
    open_index,
    reading_errors,
)
from catalog.search.values import (
    MOST_LIMIT,
    MOST_OFFSET,
    Contribution,
    Fallback,
    Hit,
    Rescue,
    Retriever,
    SearchRequest,
    SearchResults,
)
from tenants.connection import connection

logger = logging.getLogger(__name__)

FALLBACKS = Counter(
    "attune_search_fallbacks_total", "Searches answered without one of the layers.", ["layer"]
)


def find(request: SearchRequest) -> SearchResults:
    """A page of the current tenant's items that suit the request, best first.

    Without an index, or with one that cannot be read, the tables are searched instead, and
    `fallbacks` says so. Raises ValueError for a page out of bounds, and DatabaseError.
    """
    if not 0 <= request.offset <= MOST_OFFSET or not 0 <= request.limit <= MOST_LIMIT:
        raise ValueError("The page is out of bounds.")
    try:
        results = _find_in_index(request)
    except IndexUnavailable:
        logger.warning("Searched without the index", exc_info=True)
        ask_for_rebuild()
        results = replace(find_in_tables(request), fallbacks=(Fallback.SEARCH_INDEX,))
    for layer in results.fallbacks:
        FALLBACKS.labels(layer=layer).inc()
    return results


def _find_in_index(request: SearchRequest) -> SearchResults:
    with reading_errors():
        opened = open_index()
        language = getattr(connection.tenant, "language", "") or (*opened.languages, "")[0]
        if not request.text.strip():
            return _browse(request, opened)
        ranked = rank(request, opened, language)
        if not ranked.pool and ranked.strict is not None:
            popular = _browse(replace(request, sort="popular"), opened)
            hits = tuple(replace(hit, matches=False) for hit in popular.hits)
            rescues = (Rescue.POPULAR,) if hits else ()
            results = replace(popular, hits=hits, matching=0, rescues=rescues)
            return replace(results, fallbacks=ranked.fallbacks, ignored=ranked.parsed.ignored)
        return _of_text(request, ranked)


def _browse(request: SearchRequest, opened: OpenIndex) -> SearchResults:
    """What the filters leave, without a text."""
    nothing = Dictionary(opened, "")
    lexical = Lexical(opened, nothing, Parsed(()), conditions(opened, request.filters))
    listing = of_filters(request, lexical)
    page = listing.page(request.offset, request.limit)
    live = look(page, request.filters)
    hits = tuple(Hit(pk, 0.0) for pk in page if pk in live)
    found = Found(Query.all_query(), never=[pk for pk in page if pk not in live])
    total = listing.total - (len(page) - len(hits))
    return SearchResults(
        hits=hits,
        total=total,
        matching=total,
        facets=count_facets(request.facets, found, lexical, request.filters),
    )


def _of_text(request: SearchRequest, ranked: Ranked) -> SearchResults:
    listing = of_text(request, ranked)
    page = listing.page(request.offset, request.limit)
    unseen = [pk for pk in page if pk not in ranked.live]
    live = ranked.live | look(unseen, request.filters)
    shown = [pk for pk in page if pk in live]
    gone = [pk for pk in page if pk not in live]
    everything = request.sort == "relevance" or not ranked.has_every_word
    found = Found(
        ranked.lexical.unfiltered() if ranked.parsed.slots else None,
        also=list(ranked.pool) if everything else (),
        never=[*ranked.dropped, *gone],
    )
    return SearchResults(
        hits=explained(shown, ranked) if request.explain else scored(shown, ranked),
        total=listing.total - len(gone),
        matching=listing.matching - sum(map(ranked.matches, gone)),
        facets=count_facets(request.facets, found, ranked.lexical, request.filters),
        rescues=ranked.rescues,
        fallbacks=ranked.fallbacks,
        corrected=ranked.parsed.corrected,
        ignored=ranked.parsed.ignored,
    )


def scored(ids: Sequence[int], ranked: Ranked) -> tuple[Hit, ...]:
    """The items with their scores. Those of the pool are known; of others it takes one pass."""
    lexical, beyond = ranked.lexical, [pk for pk in ids if pk not in ranked.pool]
    scores = {pk: fused.score for pk, fused in ranked.pool.items()}
    if beyond and ranked.parsed.slots:
        found = lexical.top(lexical.scored(lexical.among(beyond)), len(beyond)).scores
        scores |= {pk: score * ranked.lexical_scale for pk, score in found.items()}
    return tuple(
        Hit(
            pk,
            scores.get(pk, 0.0) + (CODE_SCORE if pk in ranked.codes else 0.0),
            matches=ranked.matches(pk),
        )
        for pk in ids
    )


def explained(ids: Sequence[int], ranked: Ranked) -> tuple[Hit, ...]:
    """The items with what each field and the meaning add to their scores."""
    lexical, parts = ranked.lexical, dict[int, list[Contribution]]()
    if ids and ranked.parsed.slots:
        among = lexical.among(ids)
        for field, weight in FIELD_WEIGHTS.items():
            scores = lexical.top(lexical.scored(among, [field]), len(ids)).scores if weight else {}
            for pk, score in scores.items():
                if amount := score * ranked.lexical_scale * ranked.coverage.get(pk, 1.0):
                    part = Contribution(Retriever.LEXICAL, field, amount)
                    parts.setdefault(pk, []).append(part)
    hits = []
    for pk in ids:
        mine = parts.get(pk, [])
        if pk in ranked.codes:
            mine = [Contribution(Retriever.CODE, "codes", CODE_SCORE), *mine]
        if pk in ranked.pool and ranked.pool[pk].dense:
            mine.append(Contribution(Retriever.DENSE, "vector", ranked.pool[pk].dense))
        score = math.fsum(part.amount for part in mine)
        hits.append(Hit(pk, score, tuple(mine), matches=ranked.matches(pk)))
    return tuple(hits)
