"""A text against the index: what belongs to the results, and what comes first."""

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

from tantivy import Occur, Query

from catalog.embedding import EmbedderUnavailable
from catalog.search.dense import (
    EXACT_UP_TO,
    Similarities,
    look,
    look_and_compare,
    nearest,
    vector_of,
)
from catalog.search.fusion import Fused, fuse
from catalog.search.lexical import Lexical, Top, code_query, conditions, these, without
from catalog.search.slots import Dictionary, Parsed, parse
from catalog.search.storage import OpenIndex
from catalog.search.values import Fallback, Filter, Rescue, SearchRequest
from catalog.search.words import base_language

logger = logging.getLogger(__name__)

POOL: Final = 200
"""The best by words, which are compared by meaning too; what comes after keeps its order."""

NEAR: Final = 200
"""The nearest by meaning, which join them whatever their words."""

ENOUGH: Final = 200
"""With so many items that have every word, those with some of them are not looked for."""

CODE_SCORE: Final = 2.0
"""Beyond any score by words and meaning, which are at most 1 together."""

ALL_OF_THEM: Final = 0.999

NOTHING: Final = Top({}, 0)
NO_SCORE: Final = Fused(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Ranked:
    """What a text found: a pool in order, and beyond it what else has every word."""

    lexical: Lexical
    pool: dict[int, Fused]
    """Best first; each was looked up, and holds right now."""
    lexical_scale: float
    coverage: dict[int, float]
    """The share of the words that an item of the pool has, where it is not all of them."""
    live: frozenset[int]
    codes: frozenset[int]
    """Of the pool, what the text names exactly."""
    matching: frozenset[int]
    """Of the pool, what matches: see `SearchResults.matching`."""
    every_word: Query
    strict: frozenset[int] | None
    """The items with every word, if all of them are in the pool; None where they are too many."""
    beyond: int
    """How many items have every word, beside the pool and what was dropped."""
    dropped: frozenset[int]
    """In the index, but sold out or otherwise gone since."""
    rescues: tuple[Rescue, ...]
    fallbacks: tuple[Fallback, ...]
    parsed: Parsed

    def matches(self, item: int) -> bool:
        """Whether a found item matches; beyond the pool all do."""
        return item in self.matching or item not in self.pool

    @property
    def has_every_word(self) -> bool:
        """Whether any item has every word."""
        return self.strict is None or bool(self.strict)

    def beyond_pool(self, groups: Collection[int] = ()) -> Query:
        """What has every word, without the pool and its groups of variants."""
        if self.strict is not None:
            return Query.empty_query()
        query = less(self.every_word, self.lexical, [*self.pool, *self.dropped])
        if groups:
            left_out = Query.term_set_query(self.lexical.schema, "group", sorted(groups))
            query = without(query, left_out)
        return query


def less(query: Query, lexical: Lexical, ids: list[int]) -> Query:
    """The query less these items."""
    if not ids:
        return query
    return without(query, these(lexical.schema, ids))


def rank(request: SearchRequest, opened: OpenIndex, language: str) -> Ranked:
    """The best candidates for the text, by words and by meaning. Two statements, the first of
    which is answered while the words are looked for; each checks what it finds.

    Raises IndexUnavailable, and DatabaseError.
    """
    dictionary = Dictionary(opened, base_language(request.language or language))
    parsed = parse(request.text, dictionary, request.synonyms)
    text = parsed.written or request.text
    left = _left(request.filters, opened)
    meant, fallbacks = _by_meaning(text, request.filters, left)
    with meant as similar_items:
        lexical = Lexical(opened, dictionary, parsed, conditions(opened, request.filters))
        every_word = lexical.every_word() if parsed.slots else Query.empty_query()
        strict = lexical.best_of_every(POOL) if parsed.slots else NOTHING
        loose = NOTHING
        if strict.count < ENOUGH and len(parsed.slots) > 1:
            loose = lexical.best_of_some(POOL, share=left.share)
        codes = _codes(lexical, request.text)
        by_words = loose.scores | strict.scores
        similar = similar_items()
    # The nearest were looked up a moment ago; what the words found is compared by meaning like
    # them, however far it is.
    unseen = {*by_words, *codes} - similar.keys()
    live = set(similar)
    if similar:
        compared = look_and_compare(unseen, request.filters, vector_of(text))
        live |= compared.keys()
        similar |= {pk: cosine for pk, cosine in compared.items() if cosine is not None}
    else:
        live = look(unseen, request.filters)
    # Where all that have a word are there already, the nearest by meaning have none.
    widest = loose if len(parsed.slots) > 1 else strict
    others = [pk for pk in live if pk not in by_words] if parsed.slots else []
    if others and (widest is NOTHING or widest.count > len(widest.scores)):
        among = lexical.scored(lexical.among(others), few=True)
        by_words |= lexical.top(among, len(others)).scores
    some = [pk for pk in by_words if pk not in strict.scores]
    # With one thing to find, whatever has a score has all of it.
    several = len(parsed.slots) > 1
    coverage = lexical.coverage(some) if several else dict.fromkeys(some, 1.0)
    fusion = fuse(
        {pk: score for pk, score in by_words.items() if pk in live},
        coverage,
        {pk: similarity for pk, similarity in similar.items() if pk in live},
        words=sum(
            max(len(slot.words), len(slot.alternatives))
            for slot in parsed.slots
            if not slot.optional
        ),
    )
    exact = sorted(codes & live)
    pool = {pk: fusion.scores.get(pk, NO_SCORE) for pk in (*exact, *fusion.scores)}
    dropped = frozenset((strict.scores.keys() | loose.scores.keys() | codes) - live)
    all_strict = strict.count <= POOL
    # The share is a sum of floats.
    joined = [pk for pk in pool if coverage.get(pk, 0.0) > ALL_OF_THEM]
    matching = pool.keys() & {*strict.scores, *joined, *exact}
    return Ranked(
        lexical=lexical,
        pool=pool,
        live=frozenset(live),
        lexical_scale=fusion.lexical_scale,
        coverage=coverage,
        codes=frozenset(exact),
        matching=frozenset(matching or {pk for pk in pool if by_words.get(pk)}),
        every_word=every_word,
        strict=frozenset(strict.scores.keys() & live) if all_strict else None,
        beyond=0 if all_strict else strict.count - len(strict.scores) - len(joined),
        dropped=dropped,
        rescues=_rescues(strict, loose, parsed.corrected, live) if not exact else (),
        fallbacks=fallbacks,
        parsed=parsed,
    )


def _codes(lexical: Lexical, text: str) -> set[int]:
    query = code_query(lexical.opened, text)
    if query is None:
        return set()
    found = Query.boolean_query([(Occur.Must, query), *lexical.conditions])
    return set(lexical.ids(found, POOL))


@dataclass(frozen=True, slots=True)
class Left:
    """What filters leave: which share of all items, and all of them where they are few."""

    share: float = 1.0
    ids: Sequence[int] | None = None


def _left(filters: Sequence[Filter], opened: OpenIndex) -> Left:
    if not filters:
        return Left()
    words = Dictionary(opened, ""), Parsed(())
    lexical = Lexical(opened, *words, conditions(opened, filters))
    count = opened.counted(filters, lexical.filtered())
    few = lexical.ids(lexical.filtered(), EXACT_UP_TO) if count <= EXACT_UP_TO else None
    return Left(count / max(opened.items, 1), few)


def _by_meaning(
    text: str, filters: Sequence[Filter], left: Left
) -> tuple[AbstractContextManager[Callable[[], Similarities]], tuple[Fallback, ...]]:
    """The items nearest to the text, to be waited for."""
    try:
        vector = vector_of(text)
    except EmbedderUnavailable:
        logger.exception("Searched without meaning: the model does not answer")
        return nullcontext(dict), (Fallback.SEARCH_VECTORS,)
    return nearest(vector, filters, NEAR, share=left.share, among=left.ids), ()


def _rescues(
    strict: Top,
    loose: Top,
    corrected: tuple[tuple[str, tuple[str, ...]], ...],
    live: Collection[int],
) -> tuple[Rescue, ...]:
    found: list[Rescue] = []
    if corrected and (strict.count or loose.count):
        found.append(Rescue.SPELLING)
    if not strict.count and loose.count:
        found.append(Rescue.SOME_WORDS)
    if not strict.count and not loose.count and live:
        found.append(Rescue.MEANING)
    return tuple(found)
