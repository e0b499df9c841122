"""From a request to a slate: candidates, eligibility, ranking, reranking, explanation.

Reads only. Each layer has the one below it to fall back on, so a slate always comes back.
"""

import time
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from django.db import DatabaseError

from recommendations.fallbacks import Fallback, note_fallback
from recommendations.pipeline.candidates import Depth, PoolItem, depth_for, gather
from recommendations.pipeline.explanation import explain
from recommendations.pipeline.hydration import hydrate
from recommendations.pipeline.last_resort import last_items, remember, static_items
from recommendations.pipeline.ledgers import LedgerBook
from recommendations.pipeline.memory import (
    EMPTY,
    Memory,
    content_counts,
    recall,
    weighted_sum,
)
from recommendations.pipeline.ranking import (
    RuleBook,
    neighbor_scores,
    own_scores,
    rank,
    strongest,
    weights_of,
)
from recommendations.pipeline.reranking import diversify, one_per_group, pins_first
from recommendations.values import (
    Candidate,
    Ledger,
    RecommendationRequest,
    ServedItem,
    Slate,
)

CANDIDATES_LOGGED = 50


def recommend(request: RecommendationRequest) -> Slate:
    """The slate for a request, at most `request.limit` items. Three queries; never raises.

    With the whole catalog out of reach it serves what was served last, and at worst an empty
    slate; `fallbacks` says which layers were out.
    """
    started = time.perf_counter()
    fallbacks = list(request.fallbacks)
    items: Sequence[ServedItem] = ()
    candidates: Sequence[Candidate] = ()
    named: Mapping[int, tuple[str, str]] = {}
    try:
        scoring = _Scoring(request, fallbacks)
        items, candidates = scoring.slate()
        named = scoring.named
    except DatabaseError:
        note_fallback(Fallback.RANKING)
        fallbacks.append(Fallback.RANKING)
        try:
            items = static_items(request)
        except DatabaseError:
            note_fallback(Fallback.DATABASE)
            fallbacks.append(Fallback.DATABASE)
            items = last_items(request)
    slate = Slate(
        decision_id=uuid.uuid4(),
        placement=request.placement.code,
        items=tuple(items),
        personalized=request.personalized and Fallback.RANKING not in fallbacks,
        shopper_id=request.shopper_id,
        served_at=request.now,
        ranker_version=request.placement.ranker_version,
        fallbacks=tuple(fallbacks),
        candidates=tuple((c.item_id, c.score) for c in candidates[:CANDIDATES_LOGGED]),
        named=named,
        context={
            "items": sorted(request.context_item_ids),
            "cart": sorted(request.cart_item_ids),
            "limit": request.limit,
        },
    )
    if not request.personalized and not fallbacks:
        remember(slate)
    return replace(slate, latency_ms=(time.perf_counter() - started) * 1000)


def ledgers_of(request: RecommendationRequest, item_ids: Collection[int]) -> dict[int, Ledger]:
    """The ledgers of items for a request, whether or not they would be shown; a sum is a score.

    For simulation, and for checking that ledgers are true. Items that do not exist are left out.
    Three queries.
    """
    scoring = _Scoring(request, [])
    pool = gather(
        sorted(item_ids),
        query=scoring.query,
        excluded=(),
        depth=Depth(0, 0, 0, 0, 0, 0),
        ignore_eligibility=True,
    )
    return scoring.ledgers([item for item in pool if item.item_id in item_ids])


class _Scoring:
    """What one request's stages share: the weighted signals and what they recall."""

    def __init__(self, request: RecommendationRequest, fallbacks: list[str]) -> None:
        self.request = request
        self.fallbacks = fallbacks
        self.now = request.now.timestamp()
        self.named: Mapping[int, tuple[str, str]] = {}
        self.rules = RuleBook(request.rules)
        self.weights = weights_of(request.signals, now=self.now, params=request.placement.params)
        self.memory = self._recall()
        self.query = weighted_sum(
            self.memory.vectors,
            (
                (signal.item, weight)
                for signal, weight in zip(request.signals, self.weights, strict=True)
                if content_counts(signal, self.now)
            ),
        )

    def _recall(self) -> Memory:
        try:
            return recall(
                self.request.signals,
                ranker_version=self.request.placement.ranker_version,
                now=self.now,
                content=self.request.blend.content > 0,
            )
        except DatabaseError:
            note_fallback(Fallback.NEIGHBORS)
            self.fallbacks.append(Fallback.NEIGHBORS)
            return EMPTY

    def slate(self) -> tuple[list[ServedItem], list[Candidate]]:
        """The items to serve, and the whole ranking that they were picked from. Three queries."""
        request = self.request
        excluded = request.excluded_item_ids | request.owned_item_ids
        depth = depth_for(request.limit, known=bool(self.memory.learned))
        history = request.signals, self.weights, self.memory, request.blend
        neighbors, own = neighbor_scores(*history), own_scores(*history)
        proposed = {
            *strongest(neighbors, depth.neighbors, excluded=excluded),
            *strongest(own, depth.history, excluded=excluded),
            *(rule.item_id for rule in request.rules if rule.item_id is not None),
        }
        pool = self._pool(proposed, excluded=excluded, depth=depth)
        ranked = rank(pool, neighbors=neighbors, own=own, blend=request.blend, rules=self.rules)
        picked = diversify(
            pins_first(one_per_group(ranked)),
            limit=request.limit,
            diversity=request.placement.diversity,
        )
        return self.explained(pool, picked), ranked

    def _pool(
        self, ids: Collection[int], *, excluded: Collection[int], depth: Depth
    ) -> list[PoolItem]:
        anything = self.request.ignore_eligibility
        if self.query is not None:
            try:
                return gather(
                    sorted(ids),
                    query=self.query,
                    excluded=excluded,
                    depth=depth,
                    ignore_eligibility=anything,
                )
            except DatabaseError:
                note_fallback(Fallback.CONTENT)
                self.fallbacks.append(Fallback.CONTENT)
                self.query = None
        return gather(
            sorted(ids), query=None, excluded=excluded, depth=depth, ignore_eligibility=anything
        )

    def explained(self, pool: Sequence[PoolItem], picked: Sequence[Candidate]) -> list[ServedItem]:
        """The picked items with ledger, offer and reason. One query.

        Items, vectors and the titles that reasons may name come together: a reason names either
        the item of the strongest contribution known so far, or one that content speaks of.
        """
        wanted = {candidate.item_id for candidate in picked}
        book = self._book(item for item in pool if item.item_id in wanted)
        hydrated = hydrate(
            [candidate.item_id for candidate in picked],
            named=book.to_be_named(self.request.policy.may_cite) | self.memory.vectors.keys(),
            with_vectors=self.query is not None,
        )
        self.named = hydrated.named
        book.add_content(hydrated.vectors, now=self.now)
        ledgers = book.ledgers()
        served = []
        for candidate in picked:
            # An item that was deleted between two statements is not there any more.
            if item := hydrated.items.get(candidate.item_id):
                ledger = ledgers[candidate.item_id]
                reason = explain(ledger, policy=self.request.policy, named=hydrated.named)
                served.append(item.with_ledger(ledger, reason))
        return served

    def ledgers(self, items: Sequence[PoolItem]) -> dict[int, Ledger]:
        """Every contribution to each item, the strongest first. One query."""
        book = self._book(items)
        hydrated = hydrate([i.item_id for i in items], with_vectors=self.query is not None)
        book.add_content(hydrated.vectors, now=self.now)
        return book.ledgers()

    def _book(self, items: Iterable[PoolItem]) -> LedgerBook:
        return LedgerBook(
            items,
            signals=self.request.signals,
            weights=self.weights,
            memory=self.memory,
            blend=self.request.blend,
            rules=self.rules,
        )
