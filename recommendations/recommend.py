"""From a request to a slate: candidates, eligibility, ranking, reranking, explanation.

Reads only. Each layer has the one below it to fall back on, so a slate always comes back.
"""

import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from django.db import DatabaseError

from recommendations.fallbacks import Fallback, note_fallback
from recommendations.models import Placement
from recommendations.pipeline.candidates import PoolItem, depth_for, gather
from recommendations.pipeline.explanation import explain
from recommendations.pipeline.last_resort import last_items, remember, static_items
from recommendations.pipeline.ledgers import write_ledgers
from recommendations.pipeline.memory import (
    EMPTY,
    Memory,
    content_of,
    recall,
    with_hints,
)
from recommendations.pipeline.ranking import (
    Scores,
    Sums,
    content_scores,
    neighbor_scores,
    own_scores,
    rank,
    strongest,
    weights_of,
)
from recommendations.pipeline.rulebook import (
    RuleBook,
    Verdict,
    attributes_of,
    proposed_by,
)
from recommendations.pipeline.slots import Filled, fill, told
from recommendations.rules import Rule, RuleKind, rules_for
from recommendations.segments import ShopperFacts
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
    said: Mapping[str, Any] = {}
    if Fallback.DATABASE not in fallbacks:
        try:
            require_database()
            scoring = _Scoring(request, fallbacks)
            items, candidates = scoring.slate()
            named = scoring.memory.named
            said = scoring.said
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
            **said,
        },
    )
    if not request.personalized and not fallbacks and not request.simulated:
        remember(slate, scoring.served_pool, scoring.rules.attributes)
    return replace(slate, latency_ms=(time.perf_counter() - started) * 1000)


def ledgers_of(request: RecommendationRequest, item_ids: Collection[int]) -> dict[int, Ledger]:
    """The ledgers of items for a request, whether or not they would be shown; a sum is a score.

    For simulation, and for checking that ledgers are true. Items that do not exist are left out.
    Two queries.
    """
    scoring = _Scoring(request, [])
    query = None if scoring.content is None else scoring.content.query
    pool = gather(
        sorted(item_ids),
        query=query,
        ignore_eligibility=True,
        attributes=scoring.rules.attributes,
        quality=scoring.rules.quality,
    )
    return scoring.ledgers(pool)


class Weighed(NamedTuple):
    """What the shopper's signals and the merchant's rules say of items that a search found.

    `pins` are positions by item id: from 1, or 0 for anywhere on top.
    """

    ledgers: Mapping[int, Ledger]
    excluded: frozenset[int]
    pins: Mapping[int, int]


def weighs(request: RecommendationRequest) -> bool:
    """Whether anything but relevance has a say in the order of a search."""
    rules = rules_for(request.rules, request.placement.guard, request.facts)
    return bool(request.signals or rules)


def weigh(request: RecommendationRequest, item_ids: Collection[int]) -> Weighed:
    """What is to be said of found items; those that may not be shown are left out. Two queries."""
    scoring = _Scoring(request, [])
    pool = gather(
        sorted(item_ids),
        query=None if scoring.content is None else scoring.content.query,
        attributes=scoring.rules.attributes,
        quality=scoring.rules.quality,
    )
    verdict = scoring.rules.judge(pool, now=scoring.now)
    excluded = verdict.excluded.tolist()
    return Weighed(
        ledgers=scoring.ledgers(pool, verdict),
        excluded=frozenset(item.item_id for item, out in zip(pool, excluded, strict=True) if out),
        pins={pool[index].item_id: position for index, position in verdict.pins.items()},
    )


def affinity(request: RecommendationRequest, item_ids: Collection[int]) -> dict[int, Ledger]:
    """What the shopper's signals say of items that a search found: their ledgers, by item id.

    For a request of the search placement, whose blend holds nothing but the shopper's own signals.
    Empty, and without a query, where nothing of the shopper may be used: then relevance alone
    orders. Two queries. An item the signals say nothing of has an empty ledger, a score of 0.
    """
    if not request.signals:
        return {}
    return ledgers_of(request, item_ids)


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
        self.asks_for_categories = request.placement.guard.discovery_share > 0 or any(
            rule.when.segment is not None and rule.when.segment.asks_for_categories
            for rule in request.rules
        )
        self.weights = weights_of(
            request.signals, now=self.now, params=request.placement.params, blend=request.blend
        )
        self.memory = with_hints(self._recall(), request.hints)
        self.facts = self._facts()
        self.rules = RuleBook(
            rules_for(request.rules, request.placement.guard, self.facts),
            attributes_of((*request.placement.rules, *request.rules)),
        )
        self.said: dict[str, Any] = {}
        self.served_pool: list[PoolItem] = []
        self.content = content_of(request.signals, self.weights, self.memory, now=self.now)

    def _recall(self) -> Memory:
        try:
            return recall(
                self.request.signals,
                ranker_version=self.request.placement.ranker_version,
                now=self.now,
                content=self.request.blend.content != 0,
                categories=self.asks_for_categories,
                complements=self.request.placement.question == Placement.Question.CART,
            )
        except Exception:  # noqa: BLE001  # what was learned may be broken, too
            note_outage()
            require_database()
            note_fallback(Fallback.NEIGHBORS)
            self.fallbacks.append(Fallback.NEIGHBORS)
            return EMPTY

    def _facts(self) -> ShopperFacts | None:
        """What segments may ask of the shopper; None without consent."""
        known = self.request.facts
        return known and replace(
            known, signals=self.request.signals, weights=self.weights, paths=self.memory.paths
        )

    def slate(self) -> tuple[list[ServedItem], list[Candidate]]:
        """The items to serve, and the whole ranking that they were picked from. One query; another
        where rules and guards leave the slate short of items that sell."""
        request = self.request
        pinned = {rule.target.item_id for rule in self.rules.rules if rule.kind == RuleKind.PIN}
        excluded = request.excluded_item_ids | request.owned_item_ids
        # The shop asks for what it pins, however often that was shown.
        excluded |= request.capped_item_ids - pinned
        history = request.signals, self.weights, self.memory, request.blend
        neighbors, own = neighbor_scores(*history), own_scores(*history)
        depth = depth_for(
            request.limit, known=len(neighbors), new=request.placement.guard.new_share > 0
        )
        selling = sellers()
        proposed = {
            *neighbors.strongest(depth.neighbors, excluded=excluded),
            *strongest(own, depth.history, excluded=excluded),
            *selling.popular[: depth.popular],
            *selling.trending[: depth.trending],
            *selling.newest[: depth.newest],
            *proposed_by(self.rules.rules, most=depth.rules),
        }
        near, more = depth.content, {*selling.popular, *selling.newest} - proposed - excluded
        if request.only_item_ids is not None:
            due = {item: own.get(item, 0.0) for item in request.only_item_ids}
            proposed, near = set(strongest(due, depth.neighbors, excluded=excluded)), 0
            more = set()
        pool = self._pool(proposed - excluded, near=near, excluded=excluded)
        filled, ranked, verdict = self._fill(pool, neighbors, own)
        if len(filled.picked) < request.limit and more and not request.ignore_eligibility:
            pool += self._pool(more - {item.item_id for item in pool}, near=0, excluded=excluded)
            filled, ranked, verdict = self._fill(pool, neighbors, own)
        index_of = {item.item_id: index for index, item in enumerate(pool)}
        rows = [index_of[candidate.item_id] for candidate in filled.picked]
        self.said = told(verdict, filled, capped=len(request.capped_item_ids))
        self.served_pool = [pool[row] for row in rows]
        return self._explained(self.served_pool, filled.pins, verdict.part(rows)), ranked

    def _fill(
        self, pool: Sequence[PoolItem], neighbors: Sums, own: Scores
    ) -> tuple[Filled, list[Candidate], Verdict]:
        """The slate that a pool gives, the ranking it is from, and what the rules said."""
        request, guard = self.request, self.request.placement.guard
        verdict = self.rules.judge(pool, now=self.now)
        ranked = rank(
            pool,
            neighbors=neighbors,
            own=own,
            content=content_scores(pool, self.content, request.blend),
            blend=request.blend,
            verdict=verdict,
            new_since=self.now - guard.new_for.total_seconds(),
        )
        shown = self._groups_on_page()
        filled = fill(
            [c for c in ranked if c.pinned or c.group_id not in shown] if shown else ranked,
            limit=request.limit,
            diversity=request.placement.diversity,
            guard=guard,
            usual=self.facts.usual_categories if self.facts else frozenset(),
            seed=f"{request.placement.code}/{request.shopper_id or 0}/{request.now:%F}",
        )
        return filled, ranked, verdict

    def _groups_on_page(self) -> set[str]:
        """Variant groups of what is on the page or in the cart: more of these is no answer."""
        groups = self.memory.groups
        about = self.request.context_item_ids | self.request.cart_item_ids
        return {groups[item] for item in about if item in groups}

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
                    attributes=self.rules.attributes,
                    quality=self.rules.quality,
                )
            except DatabaseError:
                note_outage()
                require_database()
                note_fallback(Fallback.CONTENT)
                self.fallbacks.append(Fallback.CONTENT)
                self.content = None
        return gather(
            sorted(ids),
            ignore_eligibility=anything,
            attributes=self.rules.attributes,
            quality=self.rules.quality,
        )

    def _explained(
        self, items: Sequence[PoolItem], pins: Collection[int], verdict: Verdict
    ) -> list[ServedItem]:
        """The items with their ledgers, and the reasons that these give."""
        ledgers = self.ledgers(items, verdict)
        policy, named = self.request.policy, self.memory.named
        served = []
        for index, item in enumerate(items):
            ledger = ledgers[item.item_id]
            rules = list(verdict.of(index))
            labels = {rule.name: rule.label for rule in rules if rule.label}
            reason = explain(
                ledger,
                policy=policy,
                named=named,
                pinned_by=_pin_of(rules) if item.item_id in pins else "",
                labels=labels,
            )
            promotion = next(iter(labels.values()), "")
            served.append(item.served(ledger, reason, promotion))
        return served

    def ledgers(
        self, items: Sequence[PoolItem], verdict: Verdict | None = None
    ) -> dict[int, Ledger]:
        """Every contribution to each item, the strongest first."""
        return write_ledgers(
            items,
            signals=self.request.signals,
            weights=self.weights,
            memory=self.memory,
            content=self.content,
            blend=self.request.blend,
            verdict=verdict or self.rules.judge(items, now=self.now),
        )


def _pin_of(rules: Sequence[Rule]) -> str:
    return next((rule.name for rule in rules if rule.kind == RuleKind.PIN), "")
