"""From a shopper's words to a page of results: understood, found, ordered, and all of it stated.

Reads only. A search always has an answer: what is out is left out, noted and stated.
"""

import re
import time
import uuid
from dataclasses import replace
from datetime import datetime

from django.db import DatabaseError
from django.utils import timezone

from catalog.search.find import find
from catalog.search.suggestions import meant_by
from catalog.search.synonyms import Expansion, synonyms_in
from catalog.search.tenant_vocabulary import NOT_READ, tenant_vocabulary
from catalog.search.understanding.lexicon import CORE_ROLES
from catalog.search.understanding.understand import Constraint, Understanding, understand
from catalog.search.understanding.vocabulary import Vocabulary
from catalog.search.values import Rescue, SearchRequest, SearchResults
from profiles.global_privacy_control import refused
from profiles.models import Purpose
from recommendations.context import FoundState, build_request
from recommendations.fallbacks import Fallback, note_fallback
from recommendations.recommend import weighs
from recommendations.searching.items import shown_items
from recommendations.searching.order import WINDOW, Ordered
from recommendations.searching.values import (
    PLACEMENT,
    FoundItem,
    SearchAnswer,
    SearchQuery,
    State,
    StatedConstraint,
)
from recommendations.sellers import sellers
from recommendations.values import RecommendationRequest
from tenants.errors import DomainError
from tenants.outage import require_database

FACETS = ("category", "brand", "price")
MOST_ATTRIBUTE_FACETS = 4

FEW = 3
"""So few results make it worth asking whether something else was meant."""

UNASKED = frozenset({Rescue.MEANING, Rescue.POPULAR})

NOTHING = SearchResults(hits=(), total=0)


def answer(query: SearchQuery, *, now: datetime | None = None) -> SearchAnswer:
    """The page that the query asks for. Never raises."""
    return _Search(query, now or timezone.now()).answer()


class _Search:
    """What the steps of one search share."""

    def __init__(self, query: SearchQuery, now: datetime) -> None:
        self.query = query
        self.now = now
        self.started = time.perf_counter()
        self.fallbacks: list[str] = []
        self.vocabulary = self._vocabulary()
        self.understanding = understand(query.text, self.vocabulary, ignored=query.ignored)
        self.relaxed: frozenset[str] = frozenset()
        self.used = self.understanding

    def answer(self) -> SearchAnswer:
        request = self._request()
        weighed = request is not None and weighs(request)
        reorders = weighed and self._by_relevance
        results = self._found(reorders=reorders)
        ordered = Ordered(results.hits)
        if request is not None and weighed:
            self._weigh(ordered, request, reorder=reorders)
        items = self._page(ordered, reorders=reorders)
        return SearchAnswer(
            search_id=uuid.uuid4(),
            query=self.query,
            searched_at=self.now,
            searched=self.used.text,
            total=results.total - len(ordered.excluded),
            matching=results.matching - len(ordered.excluded & ordered.matching),
            items=items,
            facets=results.facets,
            understood=tuple(map(self._stated, self.understanding.constraints)),
            unused=self.understanding.unused,
            ignored=results.ignored,
            corrected=_corrected(self.used.text, results),
            did_you_mean=self._meant(results),
            rescues=tuple(map(str, results.rescues)),
            personalized=ordered.personalized,
            shopper_id=request.shopper_id if request else None,
            fallbacks=tuple(dict.fromkeys([*self.fallbacks, *map(str, results.fallbacks)])),
            latency_ms=(time.perf_counter() - self.started) * 1000,
        )

    @property
    def _by_relevance(self) -> bool:
        return self.query.sort == "relevance" and self.query.offset < WINDOW

    def _vocabulary(self) -> Vocabulary:
        try:
            vocabulary = tenant_vocabulary()
        except Exception:  # noqa: BLE001  # words may be searched for without being understood
            self._note(Fallback.UNDERSTANDING)
            return NOT_READ
        if vocabulary is NOT_READ:
            self._note(Fallback.UNDERSTANDING)
        return vocabulary

    def _request(self) -> RecommendationRequest | None:
        """What is known of the shopper and may be used, and the rules that hold; nothing where the
        shop has switched the placement off."""
        try:
            request = build_request(
                PLACEMENT,
                shopper=self.query.shopper,
                now=self.now,
                around=replace(self.query.around, query=self.query.text),
                found=FoundState(None) if self._withheld else None,
            )
        except DomainError:
            return None
        if Fallback.DATABASE not in request.fallbacks:
            self.fallbacks += request.fallbacks
        return request

    @property
    def _withheld(self) -> bool:
        gpc = self.query.gpc
        return self.query.shopper is not None and refused(Purpose.PERSONALIZATION, gpc=gpc)

    def _weigh(self, ordered: Ordered, request: RecommendationRequest, *, reorder: bool) -> None:
        narrowed = bool(self.query.filters or self.used.filters)
        try:
            ordered.weigh(request, reorder=reorder, narrowed=narrowed)
        except Exception:  # noqa: BLE001  # an order is a courtesy; the results are there
            self._note(Fallback.PERSONAL_ORDER)

    def _found(self, *, reorders: bool) -> SearchResults:
        """The results, without the constraints that left none."""
        try:
            require_database()
            results = self._find(self.understanding, reorders=reorders)
            for fewer in self._relaxations():
                if not _beside_the_point(results):
                    break
                ignored = self.query.ignored | fewer
                wider = understand(self.query.text, self.vocabulary, ignored=ignored)
                found = self._find(wider, reorders=reorders)
                if found.total and not _beside_the_point(found):
                    self.relaxed, self.used, results = fewer, wider, found
        except DatabaseError:
            self._note(Fallback.SEARCH)
            return NOTHING
        return results

    def _relaxations(self) -> list[frozenset[str]]:
        """Ids of what may be left out: first what the shopper wants, at last what they do not.

        What is excluded or a price is meant; that an item should be "red" may merely be written
        down otherwise.
        """
        applied = [each for each in self.understanding.constraints if each.applied]
        wishes = frozenset(
            each.id for each in applied if each.filter.values and not each.filter.negated
        )
        every = frozenset(each.id for each in applied)
        return [step for step in dict.fromkeys((wishes, every)) if step]

    def _find(self, understanding: Understanding, *, reorders: bool) -> SearchResults:
        query = self.query
        end = query.offset + query.limit
        return find(
            SearchRequest(
                text=understanding.text,
                filters=(*query.filters, *understanding.filters),
                sort=query.sort,
                offset=0 if reorders else query.offset,
                limit=max(WINDOW, end) if reorders else query.limit,
                facets=self._facets() if query.facets is None else query.facets,
                language=query.language,
                synonyms=self._synonyms(understanding.text),
                popular=sellers().popular,
            )
        )

    def _facets(self) -> tuple[str, ...]:
        """What the shop is usually narrowed by: colors and sizes beside what every item has."""
        counted: dict[str, int] = {}
        for term in self.vocabulary.terms:
            if term.role in CORE_ROLES:
                counted[term.field] = counted.get(term.field, 0) + term.items
        best = sorted(counted, key=lambda field: (-counted[field], field))
        return (*FACETS, *best[:MOST_ATTRIBUTE_FACETS])

    def _synonyms(self, text: str) -> tuple[Expansion, ...]:
        return synonyms_in(text) if text else ()

    def _page(self, ordered: Ordered, *, reorders: bool) -> tuple[FoundItem, ...]:
        start = self.query.offset if reorders else 0
        item_ids = ordered.item_ids[start : start + self.query.limit]
        filters = (*self.query.filters, *self.used.filters)
        if not item_ids:
            return ()
        try:
            shown = shown_items(item_ids, ordered.ledgers(item_ids), filters)
        except DatabaseError:
            self._note(Fallback.SEARCH)
            return ()
        return tuple(
            FoundItem(shown[item], ordered.relevance[item], item in ordered.matching)
            for item in item_ids
            if item in shown
        )

    def _stated(self, constraint: Constraint) -> StatedConstraint:
        if constraint.id in self.relaxed:
            return StatedConstraint(constraint, State.RELAXED)
        return StatedConstraint(constraint, State.APPLIED if constraint.applied else State.OFFERED)

    def _meant(self, results: SearchResults) -> str | None:
        """Another query to try: where little was found, and the shopper is not on a later page."""
        text = self.query.text.strip()
        if (
            not text
            or results.total > FEW
            or self.query.offset
            or Fallback.SEARCH in self.fallbacks
        ):
            return None
        try:
            return meant_by(text)
        except DatabaseError:
            self._note(Fallback.SUGGESTIONS)
            return None

    def _note(self, layer: Fallback) -> None:
        note_fallback(layer)
        self.fallbacks.append(layer)


def _beside_the_point(results: SearchResults) -> bool:
    """Whether nothing was found, or only what has none of the words."""
    return not results.total or bool(UNASKED & set(results.rescues))


def _corrected(text: str, results: SearchResults) -> str | None:
    """The text with the words of the catalog that were taken for misspelled ones."""
    taken = {word.casefold(): words[0] for word, words in results.corrected if words}
    if not taken:
        return None
    return re.sub(r"\w+", lambda word: taken.get(word[0].casefold(), word[0]), text)
