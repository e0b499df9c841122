"""From a ranking to the slots of one slate: pins, caps, diversity, discovery."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from recommendations.pipeline.reranking import (
    Caps,
    Exploration,
    discover,
    diversify,
    one_per_group,
    place_pins,
    take_pins,
)
from recommendations.pipeline.rulebook import Verdict
from recommendations.rules import Guard
from recommendations.values import Candidate


@dataclass(frozen=True, slots=True)
class Filled:
    """The candidates of a slate in order; which of them stand there as pins; what was explored."""

    picked: Sequence[Candidate]
    pins: frozenset[int] = frozenset()
    explored: tuple[Exploration, ...] = ()


def fill(
    ranked: Sequence[Candidate],
    *,
    limit: int,
    diversity: float,
    guard: Guard,
    usual: Collection[str],
    seed: str,
) -> Filled:
    """Pick at most `limit` of `ranked`, each pin at its position and the rest within the caps.

    Pins count for the caps and stand above them. `usual` are the categories that discovery leads
    out of; without any there is nothing to lead out of. Order only: no score changes.
    """
    pins, others = take_pins(one_per_group(ranked), limit=limit)
    caps = Caps(guard.max_per_category, guard.max_per_brand)
    for pin in pins:
        caps.take(pin)
    picked = diversify(others, limit=limit - len(pins), diversity=diversity, caps=caps)
    explored = []
    kept: set[int] = set()
    for what, share, fits in (
        ("discovery", guard.discovery_share, lambda c: bool(usual) and c.category not in usual),
        ("new", guard.new_share, lambda c: c.new),
    ):
        if not share:
            continue
        able = {candidate.item_id for candidate in others if fits(candidate)}
        picked, exploration = discover(
            picked, others, fits=able, share=share, caps=caps, seed=f"{seed}/{what}", kept=kept
        )
        explored.append(exploration)
        kept |= able
    return Filled(
        place_pins(pins, picked),
        frozenset(pin.item_id for pin in pins),
        tuple(exploration for exploration in explored if exploration.items),
    )


def told(verdict: Verdict, filled: Filled, *, capped: int) -> dict[str, Any]:
    """What a decision says of its rules: those that met a candidate, what they left out, and what
    was shown for discovery's sake. Nothing where there is nothing to say."""
    said: dict[str, Any] = {}
    if verdict.hits:
        said["rules"] = [[rule.id, rule.name, int(mask.sum())] for rule, mask in verdict.hits]
    if excluded := int(verdict.excluded.sum()):
        said["excluded"] = excluded
    if capped:
        said["capped"] = capped
    if filled.explored:
        said["explored"] = [
            {"items": list(e.items), "of": e.of, "seed": e.seed} for e in filled.explored
        ]
    return said
