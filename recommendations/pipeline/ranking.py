"""Stage 2: the additive score. What each signal weighs, what it adds to an item, and to which."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from profiles.signals import Signal, SignalKind
from recommendations.pipeline.candidates import PoolItem
from recommendations.pipeline.memory import Memory, Vector, content_counts
from recommendations.scoring import OWNED_KINDS, Blend, ScoringParams, signal_weights
from recommendations.values import Candidate, Contribution, Rule, SignalRef

Scores = dict[int, float]


def weights_of(signals: Sequence[Signal], *, now: float, params: ScoringParams) -> list[float]:
    """What each signal counts now, in order; see `scoring.signal_weight`."""
    if not signals:
        return []
    weights = signal_weights(
        [params.kind_weights.get(signal.kind, 0.0) for signal in signals],
        [signal.strength for signal in signals],
        [signal.last_at for signal in signals],
        now=now,
        params=params,
    )
    return [float(weight) for weight in weights]


def history_scores(
    signals: Sequence[Signal], weights: Sequence[float], memory: Memory, blend: Blend
) -> tuple[Scores, Scores]:
    """What the history says of every item it speaks of: by neighbors, and of its own items."""
    per_item: defaultdict[int, float] = defaultdict(float)
    own: defaultdict[int, float] = defaultdict(float)
    for signal, weight in zip(signals, weights, strict=True):
        per_item[signal.item] += weight
        own[signal.item] += own_amount(signal, weight, memory, blend)
    rows = [
        (memory.neighbors[item], weight)
        for item, weight in per_item.items()
        if item in memory.neighbors and weight
    ]
    if not rows or not blend.neighbors:
        return {}, {item: amount for item, amount in own.items() if amount}
    ids: npt.NDArray[np.int64] = np.concatenate([learned.items for learned, _ in rows])
    amounts = np.concatenate([weight * learned.weights for learned, weight in rows])
    items, positions = np.unique(ids, return_inverse=True)
    sums = np.bincount(positions, weights=amounts) * blend.neighbors
    return (
        dict(zip(items.tolist(), sums.tolist(), strict=True)),
        {item: amount for item, amount in own.items() if amount},
    )


def own_amount(signal: Signal, weight: float, memory: Memory, blend: Blend) -> float:
    """What a signal adds to its own item: buying it again, or coming back to it."""
    if signal.kind in PAGE_KINDS:
        return 0.0
    learned = memory.neighbors.get(signal.item)
    factor = blend.buy_again if signal.kind in OWNED_KINDS else blend.revisit
    return factor * weight * (1.0 if learned is None else learned.repeat)


PAGE_KINDS = frozenset({SignalKind.CONTEXT_ITEM, SignalKind.CART_ITEM})


def strongest(scores: Mapping[int, float], most: int) -> list[int]:
    """The items with the highest scores, at most `most`; ties by id."""
    return sorted(scores, key=lambda item: (-scores[item], item))[:most]


def rank(
    pool: Iterable[PoolItem],
    *,
    neighbor_scores: Scores,
    own_scores: Scores,
    blend: Blend,
    rules: Sequence[Rule],
) -> list[Candidate]:
    """Score the pool and order it, best first; ties by id. Excluded items are left out."""
    ranked = []
    for item in pool:
        matching = [r for r in rules if r.matches(item.item_id, item.category_path, item.brand)]
        if any(rule.kind == "exclude" for rule in matching):
            continue
        score = (
            neighbor_scores.get(item.item_id, 0.0)
            + own_scores.get(item.item_id, 0.0)
            + blend.popularity * item.popularity
            + blend.trend * item.trend
            + blend.content * item.content
            + sum(rule_amount(rule) for rule in matching)
        )
        ranked.append(
            Candidate(
                item.item_id,
                score,
                category=item.category,
                brand=item.brand,
                group_id=item.group_id,
                pinned=any(rule.kind == "pin" for rule in matching),
            )
        )
    return sorted(ranked, key=lambda candidate: (-candidate.score, candidate.item_id))


def rule_amount(rule: Rule) -> float:
    """What a rule adds to the score. A pin moves an item to the top without touching its score."""
    return {"boost": rule.amount, "bury": -rule.amount}.get(rule.kind, 0.0)


def history_ledgers(
    items: Mapping[int, PoolItem],
    *,
    signals: Sequence[Signal],
    weights: Sequence[float],
    memory: Memory,
    blend: Blend,
    rules: Sequence[Rule],
) -> dict[int, list[Contribution]]:
    """Every contribution to each of `items` but those of content, which need the items' vectors.

    Exact: an item's score is the sum of its contributions, and each depends on its own signal
    only, so the score without a signal is the score less that signal's contributions.
    """
    found: dict[int, list[Contribution]] = {item: [] for item in items}
    _add_facts(found, items, blend, rules)
    wanted: npt.NDArray[np.int64] = np.array(sorted(items), dtype=np.int64)
    present: dict[int, list[tuple[int, float]]] = {}
    for item, learned in memory.neighbors.items():
        at = np.flatnonzero(np.isin(learned.items, wanted))
        present[item] = list(
            zip(learned.items[at].tolist(), learned.weights[at].tolist(), strict=True)
        )
    for signal, weight in zip(signals, weights, strict=True):
        if not weight:
            continue
        ref = SignalRef.of(signal)
        if signal.item in found and (amount := own_amount(signal, weight, memory, blend)):
            generator = "buy_again" if signal.kind in OWNED_KINDS else "revisit"
            found[signal.item].append(Contribution(ref, generator, amount))
        for item, similarity in present.get(signal.item, ()):
            if amount := blend.neighbors * weight * similarity:
                found[item].append(Contribution(ref, "neighbors", amount))
    return found


def content_ledgers(
    vectors: Mapping[int, Vector],
    *,
    signals: Sequence[Signal],
    weights: Sequence[float],
    memory: Memory,
    blend: Blend,
    now: float,
) -> dict[int, list[Contribution]]:
    """What each signal adds to the items with these vectors by being alike in content."""
    heard = [
        (signal, weight)
        for signal, weight in zip(signals, weights, strict=True)
        if weight and signal.item in memory.vectors and content_counts(signal, now)
    ]
    if not heard or not vectors or not blend.content:
        return {}
    likeness = (
        np.stack([memory.vectors[signal.item] for signal, _ in heard])
        @ np.stack(list(vectors.values())).T
    )
    return {
        item: [
            Contribution(SignalRef.of(signal), "content", blend.content * weight * alike)
            for (signal, weight), alike in zip(heard, likeness[:, column].tolist(), strict=True)
        ]
        for column, item in enumerate(vectors)
    }


def joined(*parts: Mapping[int, Sequence[Contribution]]) -> dict[int, tuple[Contribution, ...]]:
    """Ledgers put together item by item, the strongest contribution first."""
    items = {item for part in parts for item in part}
    return {
        item: tuple(
            sorted(
                (contribution for part in parts for contribution in part.get(item, ())),
                key=lambda contribution: -abs(contribution.amount),
            )
        )
        for item in items
    }


def _add_facts(
    found: dict[int, list[Contribution]],
    items: Mapping[int, PoolItem],
    blend: Blend,
    rules: Sequence[Rule],
) -> None:
    for item, ledger in found.items():
        facts = items[item]
        for kind, generator, amount in (
            (SignalKind.POPULAR, "popularity", blend.popularity * facts.popularity),
            (SignalKind.TRENDING, "trend", blend.trend * facts.trend),
        ):
            if amount:
                ledger.append(Contribution(SignalRef(kind, item_id=item), generator, amount))
        ledger.extend(
            Contribution(SignalRef(SignalKind.RULE, name=rule.name), "rule", rule_amount(rule))
            for rule in rules
            if rule.matches(item, facts.category_path, facts.brand)
        )
