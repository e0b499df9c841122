"""From a request to a slate: candidates, eligibility, ranking, reranking, explanation.

Reads only. Each layer has the one below it to fall back on, so a slate always comes back.
"""

import time
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from django.db import DatabaseError

from recommendations.fallbacks import Fallback, note_fallback
from recommendations.pipeline.candidates import FROM_HISTORY, FROM_NEIGHBORS, PoolItem, gather
from recommendations.pipeline.explanation import explain, to_be_named
from recommendations.pipeline.hydration import hydrate
from recommendations.pipeline.last_resort import last_items, remember, static_items
from recommendations.pipeline.memory import (
    EMPTY,
    Memory,
    Vector,
    content_counts,
    recall,
    weighted_sum,
)
from recommendations.pipeline.ranking import (
    content_ledgers,
    history_ledgers,
    history_scores,
    joined,
    rank,
    strongest,
    weights_of,
)
from recommendations.pipeline.reranking import diversify, one_per_group, pins_first
from recommendations.values import (
    Candidate,
    Contribution,
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


def ledgers_of(
    request: RecommendationRequest, item_ids: Collection[int]
) -> dict[int, tuple[Contribution, ...]]:
    """The ledgers of items for a request, whether or not they would be shown; a sum is a score.

    For simulation, and for checking that ledgers are true. Items that do not exist are left out.
    Three queries.
    """
    scoring = _Scoring(request, [])
    pool = gather(sorted(item_ids), query=scoring.query, excluded=(), ignore_eligibility=True)
    return scoring.ledgers([item for item in pool if item.item_id in item_ids])


class _Scoring:
    """What one request's stages share: the weighted signals and what they recall."""

    def __init__(self, request: RecommendationRequest, fallbacks: list[str]) -> None:
        self.request = request
        self.fallbacks = fallbacks
        self.now = request.now.timestamp()
        self.named: Mapping[int, tuple[str, str]] = {}
        self.weights = weights_of(request.signals, now=self.now, params=request.placement.params)
        self.memory = self._recall()
        self.neighbor_scores, self.own_scores = history_scores(
            request.signals, self.weights, self.memory, request.blend
        )
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
        pool = self.pool()
        ranked = rank(
            pool,
            neighbor_scores=self.neighbor_scores,
            own_scores=self.own_scores,
            blend=self.request.blend,
            rules=self.request.rules,
        )
        picked = diversify(
            pins_first(one_per_group(ranked)),
            limit=self.request.limit,
            diversity=self.request.placement.diversity,
        )
        return self.explained(pool, picked), ranked

    def pool(self) -> list[PoolItem]:
        request = self.request
        ids = {
            *strongest(self.neighbor_scores, FROM_NEIGHBORS),
            *strongest(self.own_scores, FROM_HISTORY),
            *(rule.item_id for rule in request.rules if rule.item_id is not None),
        }
        excluded = request.excluded_item_ids | request.owned_item_ids
        try:
            return gather(
                sorted(ids),
                query=self.query,
                excluded=excluded,
                ignore_eligibility=request.ignore_eligibility,
            )
        except DatabaseError:
            if self.query is None:
                raise
            note_fallback(Fallback.CONTENT)
            self.fallbacks.append(Fallback.CONTENT)
            self.query = None
            return gather(sorted(ids), query=None, excluded=excluded)

    def explained(self, pool: Sequence[PoolItem], picked: Sequence[Candidate]) -> list[ServedItem]:
        """The picked items with ledger, offer and reason. One query.

        Items, vectors and the titles that reasons may name come together: a reason names either
        the item of the strongest contribution known so far, or one that content speaks of.
        """
        request = self.request
        wanted = {candidate.item_id for candidate in picked}
        by_history = self.history_ledgers(item for item in pool if item.item_id in wanted)
        named = {
            to_be_named(ledger, policy=request.policy) for ledger in joined(by_history).values()
        }
        hydrated = hydrate(
            [candidate.item_id for candidate in picked],
            named={item for item in named if item is not None} | self.memory.vectors.keys(),
            with_vectors=self.query is not None,
        )
        self.named = hydrated.named
        made = joined(by_history, self.content_ledgers(hydrated.vectors))
        # An item that was deleted between two statements is not there any more.
        return [
            hydrated.items[item].with_ledger(
                made[item], explain(made[item], policy=request.policy, named=hydrated.named)
            )
            for item in (candidate.item_id for candidate in picked)
            if item in hydrated.items
        ]

    def ledgers(self, items: Sequence[PoolItem]) -> dict[int, tuple[Contribution, ...]]:
        """Every contribution to each item, the strongest first. One query."""
        ids = [item.item_id for item in items]
        vectors = hydrate(ids, with_vectors=self.query is not None).vectors
        return joined(self.history_ledgers(items), self.content_ledgers(vectors))

    def history_ledgers(self, items: Iterable[PoolItem]) -> dict[int, list[Contribution]]:
        return history_ledgers(
            {item.item_id: item for item in items},
            signals=self.request.signals,
            weights=self.weights,
            memory=self.memory,
            blend=self.request.blend,
            rules=self.request.rules,
        )

    def content_ledgers(self, vectors: Mapping[int, Vector]) -> dict[int, list[Contribution]]:
        return content_ledgers(
            vectors,
            signals=self.request.signals,
            weights=self.weights,
            memory=self.memory,
            blend=self.request.blend,
            now=self.now,
        )
