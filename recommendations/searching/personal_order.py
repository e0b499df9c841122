"""In what order near-equal results come: by what the shopper prefers, and never further.

The rule: an item is never moved below one whose relevance is lower by more than the band. It holds
because the order is that of relevance plus a bonus between 0 and the band: an item ahead by more
than the band stays ahead of whatever bonus the other one gets.
"""

from collections.abc import Iterable, Mapping, Sequence

from recommendations.values import Contribution, relevance

BAND = 0.1
"""Results whose relevance differs by no more than this are near-equal; the best one has 1."""


def relevances(scores: Sequence[float]) -> list[float]:
    """The scores of results, best first, as shares of the best one's in 0-1."""
    best = max(scores, default=0.0)
    return [max(score, 0.0) / best if best > 0 else 0.0 for score in scores]


def bonus(affinity: Iterable[Contribution]) -> list[Contribution]:
    """What the contributions of a shopper's signals to an item add to its relevance here.

    Their sum, squashed into the band; each keeps its share of it, so that they add up to what
    moves the item. Nothing when the sum is not positive.
    """
    given = list(affinity)
    total = sum(contribution.amount for contribution in given)
    if total <= 0:
        return []
    share = BAND * relevance(total) / total
    return [Contribution(c.signal, c.generator, c.amount * share) for c in given]


def in_personal_order(
    found: Sequence[tuple[int, float]], bonuses: Mapping[int, float]
) -> list[int]:
    """The items, best first, of (item, relevance) pairs; equal ones stay as they come.

    A bonus outside of 0 to BAND is taken for the nearer end of it.
    """
    worth = {item: r + min(max(bonuses.get(item, 0.0), 0.0), BAND) for item, r in found}
    return sorted(worth, key=lambda item: -worth[item])
