"""From a request to a slate: candidates, eligibility, ranking, reranking, explanation.

Reads only. Each layer has the one below it to fall back on, so a slate always comes back.
"""

import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from django.db import DatabaseError

from recommendations.fallbacks import Fallback, note_fallback
from recommendations.pipeline.candidates import PoolItem, depth_for, gather
from recommendations.pipeline.explanation import explain
from recommendations.pipeline.last_resort import last_items, remember, static_items
from recommendations.pipeline.ledgers import write_ledgers
from recommendations.pipeline.memory import (
    EMPTY,
    Memory,
    content_of,
    recall,
)
from recommendations.pipeline.ranking import (
    RuleBook,
    content_scores,
    neighbor_scores,
    own_scores,
    rank,
    strongest,
    weights_of,
)
from recommendations.pipeline.reranking import diversify, one_per_group, pins_first
from recommendations.sellers import sellers
from recommendations.values import (
    Candidate,
    Ledger,
    RecommendationRequest,
    ServedItem,
    Slate,
)
from tenants.outage import note_outage, require_database

CANDIDATES_LOGGED = 50


def recommend(request: RecommendationRequest) -> Slate:
    """The slate for a request, at most `request.limit` items. Two queries; never raises.

    With the whole catalog out of reach it serves what was served last, and at worst an empty
    slate; `fallbacks` says which layers were out.
    """
    started = time.perf_counter()
    fallbacks = list(request.fallbacks)
    items: Sequence[ServedItem] = ()
    candidates: Sequence[Candidate] = ()
    named: Mapping[int, tuple[str, str]] = {}
    if Fallback.DATABASE not in fallbacks:
        try:
            require_database()
            scoring = _Scoring(request, fallbacks)
            items, candidates = scoring.slate()
            named = scoring.memory.named
        except Exception:  # noqa: BLE001  # whatever broke, a storefront is not left without a slate
            note_fallback(Fallback.RANKING)
            fallbacks.append(Fallback.RANKING)
            items = _unranked(request, fallbacks)
    if Fallback.DATABASE in fallbacks:
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
    Two queries.
    """
    scoring = _Scoring(request, [])
    query = None if scoring.content is None else scoring.content.query
    pool = gather(sorted(item_ids), query=query, ignore_eligibility=True)
    return scoring.ledgers(pool)


def _unranked(request: RecommendationRequest, fallbacks: list[str]) -> Sequence[ServedItem]:
    """The merchant's list; nothing, and the database in `fallbacks`, when that is out as well."""
    try:
        require_database()
        return static_items(request)
    except Exception:  # noqa: BLE001  # as for the ranking
        note_fallback(Fallback.DATABASE)
        fallbacks.append(Fallback.DATABASE)
        return ()


class _Scoring:
    """What one request's stages share: the weighted signals and what they recall."""

    def __init__(self, request: RecommendationRequest, fallbacks: list[str]) -> None:
        self.request = request
        self.fallbacks = fallbacks
        self.now = request.now.timestamp()
        self.rules = RuleBook(request.rules)
        self.weights = weights_of(
            request.signals, now=self.now, params=request.placement.params, blend=request.blend
        )
        self.memory = self._recall()
        self.content = content_of(request.signals, self.weights, self.memory, now=self.now)

    def _recall(self) -> Memory:
        try:
            return recall(
                self.request.signals,
                ranker_version=self.request.placement.ranker_version,
                now=self.now,
                content=self.request.blend.content != 0,
            )
        except Exception:  # noqa: BLE001  # what was learned may be broken, too
            note_outage()
            require_database()
            note_fallback(Fallback.NEIGHBORS)
            self.fallbacks.append(Fallback.NEIGHBORS)
            return EMPTY

    def slate(self) -> tuple[list[ServedItem], list[Candidate]]:
        """The items to serve, and the whole ranking that they were picked from. One query."""
        request = self.request
        excluded = request.excluded_item_ids | request.owned_item_ids
        history = request.signals, self.weights, self.memory, request.blend
        neighbors, own = neighbor_scores(*history), own_scores(*history)
        depth = depth_for(request.limit, known=len(neighbors))
        selling = sellers()
        proposed = {
            *strongest(neighbors, depth.neighbors, excluded=excluded),
            *strongest(own, depth.history, excluded=excluded),
            *selling.popular[: depth.popular],
            *selling.trending[: depth.trending],
            *selling.newest[: depth.newest],
            *(rule.item_id for rule in request.rules if rule.item_id is not None),
        }
        near = depth.content
        if request.only_item_ids is not None:
            due = {item: own.get(item, 0.0) for item in request.only_item_ids}
            proposed, near = set(strongest(due, depth.neighbors, excluded=excluded)), 0
        pool = self._pool(proposed - excluded, near=near, excluded=excluded)
        ranked = rank(
            pool,
            neighbors=neighbors,
            own=own,
            content=content_scores(pool, self.content, request.blend),
            blend=request.blend,
            rules=self.rules,
        )
        picked = diversify(
            pins_first(one_per_group(ranked)),
            limit=request.limit,
            diversity=request.placement.diversity,
        )
        by_id = {item.item_id: item for item in pool}
        pins = {candidate.item_id for candidate in picked if candidate.pinned}
        return self._explained([by_id[c.item_id] for c in picked], pins), ranked

    def _pool(
        self, ids: Collection[int], *, near: int, excluded: Collection[int]
    ) -> list[PoolItem]:
        anything = self.request.ignore_eligibility
        if self.content is not None:
            try:
                return gather(
                    sorted(ids),
                    near=near,
                    query=self.content.query,
                    excluded=excluded,
                    ignore_eligibility=anything,
                )
            except DatabaseError:
                note_outage()
                require_database()
                note_fallback(Fallback.CONTENT)
                self.fallbacks.append(Fallback.CONTENT)
                self.content = None
        return gather(sorted(ids), ignore_eligibility=anything)

    def _explained(self, items: Sequence[PoolItem], pins: Collection[int]) -> list[ServedItem]:
        """The items with their ledgers, and the reasons that these give."""
        ledgers = self.ledgers(items)
        policy, named = self.request.policy, self.memory.named
        served = []
        for item in items:
            ledger = ledgers[item.item_id]
            pinned = item.item_id in pins
            reason = explain(ledger, policy=policy, named=named, pinned=pinned)
            served.append(item.served(ledger, reason))
        return served

    def ledgers(self, items: Sequence[PoolItem]) -> dict[int, Ledger]:
        """Every contribution to each item, the strongest first."""
        return write_ledgers(
            items,
            signals=self.request.signals,
            weights=self.weights,
            memory=self.memory,
            content=self.content,
            blend=self.request.blend,
            rules=self.rules,
        )
