"""Stage 3: from a ranking to a slate. Order only: nothing here touches a score."""

import heapq
from collections import Counter, deque
from collections.abc import Sequence

from recommendations.values import Candidate


def one_per_group(ranked: Sequence[Candidate]) -> list[Candidate]:
    """Of each variant group the best item, so that a slate never shows one shoe three times."""
    seen: set[str] = set()
    kept = []
    for candidate in ranked:
        if candidate.group_id and candidate.group_id in seen:
            continue
        seen.add(candidate.group_id)
        kept.append(candidate)
    return kept


def pins_first(ranked: Sequence[Candidate]) -> list[Candidate]:
    """Pinned items before the others, both in their order."""
    return sorted(ranked, key=lambda candidate: not candidate.pinned)


def diversify(ranked: Sequence[Candidate], *, limit: int, diversity: float) -> list[Candidate]:
    """Pick `limit` candidates by maximal marginal relevance over categories.

    A candidate's score, scaled to 0-1 within `ranked`, is discounted for each item of its
    category picked already (Carbonell and Goldstein 1998, with category as the similarity).
    `diversity` 0 keeps the order of relevance; 1 alternates categories whenever it can. Pinned
    items keep their place. Ties go to the earlier candidate, so equal input gives equal output.
    """
    picked = [candidate for candidate in ranked if candidate.pinned][:limit]
    rest = [candidate for candidate in ranked if not candidate.pinned]
    if diversity <= 0 or not rest:
        return [*picked, *rest][:limit]
    top = max(candidate.score for candidate in rest)
    span = (top - min(candidate.score for candidate in rest)) or 1.0
    seen = Counter(candidate.category for candidate in picked)
    queues: dict[str, deque[tuple[int, Candidate]]] = {}
    for position, candidate in enumerate(rest):
        queues.setdefault(candidate.category, deque()).append((position, candidate))

    def head(category: str) -> tuple[float, int, str]:
        # Within a category the earlier candidate always wins, so only heads compete.
        position, candidate = queues[category][0]
        repeated = 1 - 1 / (1 + seen[category]) if category else 0.0
        worth = (1 - diversity) * (candidate.score - top) / span - diversity * repeated
        return -worth, position, category

    heads = [head(category) for category in queues]
    heapq.heapify(heads)
    while heads and len(picked) < limit:
        _, _, category = heapq.heappop(heads)
        picked.append(queues[category].popleft()[1])
        seen[category] += 1
        if queues[category]:
            heapq.heappush(heads, head(category))
    return picked
