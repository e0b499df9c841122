"""Which words probably mean the same, but are spelled in several ways."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

TYPO_LETTERS: Final = 7
"""Shorter words differ from others by one letter too often: "boat" and "boot"."""

TYPO_RATIO: Final = 10
"""Of two words a letter apart the rarer is a slip if the other is this many times as frequent."""

_AMERICAN: Final = {
    "colour": "color",
    "colours": "colors",
    "grey": "gray",
    "fibre": "fiber",
    "metre": "meter",
    "litre": "liter",
    "aluminium": "aluminum",
    "jewellery": "jewelry",
    "centre": "center",
    "mould": "mold",
    "pyjamas": "pajamas",
    "pyjama": "pajama",
    "tyre": "tire",
    "organiser": "organizer",
    "catalogue": "catalog",
}
_WORD: Final = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Spellings:
    """Every spelling with the number of its items; `suggestion` is the one that most have."""

    suggestion: str
    counts: Mapping[str, int]

    @property
    def others(self) -> int:
        """Items that would change if everybody wrote the suggestion."""
        return sum(self.counts.values()) - self.counts[self.suggestion]


def fold(text: str) -> str:
    """The form that all spellings of a word share: without case, accents, punctuation, plural
    endings, and what parts British from American. Numbers keep their decimal points."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign) and sign not in "'’")
    return "".join(_singular(_AMERICAN.get(word, word)) for word in _WORD.findall(plain))


def same_words(counts: Mapping[str, int]) -> list[Spellings]:
    """Of words with the number of their items, those with more than one spelling; the most items
    to change go first."""
    folded: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for word, count in counts.items():
        form = fold(word)
        if form:
            folded[form][word] = count
    for slip, meant in _slips({form: sum(words.values()) for form, words in folded.items()}):
        folded[meant].update(folded.pop(slip))
    groups = [
        # Of equally frequent spellings the first of the alphabet, so that runs agree.
        Spellings(min(words, key=lambda word: (-words[word], word)), words)
        for words in folded.values()
        if len(words) > 1
    ]
    return sorted(groups, key=lambda group: (-group.others, group.suggestion))


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _slips(totals: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Rare words that are one letter apart from a frequent one, with that one."""
    frequent = Counter({w: n for w, n in totals.items() if n >= TYPO_RATIO and _may_slip(w)})
    shortened: defaultdict[str, list[str]] = defaultdict(list)
    for word, _ in frequent.most_common():
        for form in _shortened(word):
            shortened[form].append(word)
    for word, count in totals.items():
        if not _may_slip(word):
            continue
        near = (other for form in _shortened(word) for other in shortened.get(form, ()))
        meant = next(
            (o for o in near if totals[o] >= TYPO_RATIO * count and _one_apart(o, word)), None
        )
        if meant is not None:
            yield word, meant


def _may_slip(word: str) -> bool:
    return len(word) >= TYPO_LETTERS and word.isalpha()


def _shortened(word: str) -> set[str]:
    """The word, and what remains of it without one letter that is not the first: two words a
    letter apart share one of these (Garbe's symmetric deletion)."""
    return {word} | {word[:n] + word[n + 1 :] for n in range(1, len(word))}


def _one_apart(one: str, other: str) -> bool:
    """Whether one letter is missing, added, wrong, or swapped with its neighbor."""
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    start = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if start is None:
        return True
    ends = (one[start + 1 :], other[start + 1 :])
    if len(one) == len(other):
        swapped = one[start : start + 2] == other[start : start + 2][::-1]
        return ends[0] == ends[1] or (swapped and one[start + 2 :] == other[start + 2 :])
    return one[start:] == ends[1] if len(other) > len(one) else other[start:] == ends[0]
