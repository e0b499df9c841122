"""One order out of words and meaning."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LEXICAL_WEIGHT: Final = 0.7
"""Of the best lexical score; the rest is the dense one's."""


@dataclass(frozen=True, slots=True)
class Fused:
    """The score of one item, and its two parts. Each is within 0 and 1, and so is their sum."""

    lexical: float
    dense: float

    @property
    def score(self) -> float:
        return self.lexical + self.dense


@dataclass(frozen=True, slots=True)
class Fusion:
    """Scores, best first, and by how much a lexical score was multiplied for them."""

    scores: dict[int, Fused]
    lexical_scale: float


def fuse(
    lexical: Mapping[int, float],
    similarities: Mapping[int, float],
    *,
    share: float = LEXICAL_WEIGHT,
) -> Fusion:
    """Both scores of each item on one scale; ties by id.

    The lexical score counts relative to the best one. A similarity counts by where it lies between
    the least and the greatest among the candidates, for models differ in what they call near.
    """
    most_lexical = max(lexical.values(), default=0.0)
    least = min(similarities.values(), default=0.0)
    span = max(similarities.values(), default=0.0) - least
    if most_lexical <= 0 or span <= 0:
        share = 0.0 if most_lexical <= 0 else 1.0
    lexical_scale = share / most_lexical if most_lexical > 0 else 0.0
    dense_scale = (1 - share) / span if span > 0 else 0.0
    fused = {
        item: Fused(
            lexical.get(item, 0.0) * lexical_scale,
            (similarities.get(item, least) - least) * dense_scale,
        )
        for item in lexical.keys() | similarities.keys()
    }
    ordered = sorted(fused.items(), key=lambda pair: (-pair[1].score, pair[0]))
    return Fusion(dict(ordered), lexical_scale)
