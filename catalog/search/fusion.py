"""One order out of words and meaning."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

ONE_WORD: Final = 0.9
SEVERAL_WORDS: Final = 0.55
"""What words count beside meaning: one word says less of what is meant than it says exactly, unless
the catalog has several for it."""


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
    coverage: Mapping[int, float],
    similarities: Mapping[int, float],
    *,
    words: int,
) -> Fusion:
    """Both scores of each item on one scale; ties by id.

    A lexical score counts by the share of the words that the item has (`coverage`, 1 if it is not
    said), relative to the best one; if even the best has only some of the words, all count less.
    A similarity counts by where it lies between the least and the greatest of those given, for
    models differ in what they call near. `words` is how many may be found: those of the text, or
    more where others may stand for them.
    """
    covered = {item: score * coverage.get(item, 1.0) for item, score in lexical.items()}
    best = max(covered, key=lambda item: (covered[item], -item), default=None)
    most = 0.0 if best is None else covered[best]
    least = min(similarities.values(), default=0.0)
    span = max(similarities.values(), default=0.0) - least
    share = ONE_WORD if words <= 1 else SEVERAL_WORDS
    if span <= 0:
        share = 1.0
    lexical_scale = 0.0
    if best is not None and most > 0:
        lexical_scale = share * coverage.get(best, 1.0) / most
    dense_scale = (1 - share) / span if span > 0 else 0.0
    fused = {
        item: Fused(
            covered.get(item, 0.0) * lexical_scale,
            (similarities.get(item, least) - least) * dense_scale,
        )
        for item in covered.keys() | similarities.keys()
    }
    ordered = sorted(fused.items(), key=lambda pair: (-pair[1].score, pair[0]))
    return Fusion(dict(ordered), lexical_scale)
