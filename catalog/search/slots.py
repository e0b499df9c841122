"""What of the catalog each word of a text may mean: itself, a synonym, or what it was meant to be.

A text is a row of slots. A slot is one word, or a phrase that has a synonym, with the alternatives
that fill it; an item suits when every slot is filled.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from tantivy import Query

from catalog.search.storage import OpenIndex
from catalog.search.words import is_stop_word, stem, words_of

MOST_WORDS: Final = 16
"""Of a text; what comes after says little, and would cost as much as the rest."""

MOST_ALTERNATIVES: Final = 8

SYNONYM_WEIGHT: Final = 0.9
JOINED_WEIGHT: Final = 0.9
SPELLING_WEIGHT: Final = 0.7
"""What an alternative counts beside the word itself."""

SHORTEST_MISSPELLED: Final = 4
SHORTEST_TWICE_MISSPELLED: Final = 8
"""In characters: from here on one or two of them may be wrong."""

RARE: Final = 1e-5
MUCH_MORE: Final = 20
"""A word that so few items have may be a misspelling, if its correction has so many times more."""

EXAMINED: Final = 100
"""Items in which the words close to an unknown one are looked for."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """Words that fill a slot together."""

    words: tuple[str, ...]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Slot:
    """One thing that the text asks for."""

    words: tuple[str, ...]
    alternatives: tuple[Alternative, ...]
    optional: bool = False
    """A stop word: an item need not have it."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A text in terms of the index."""

    slots: tuple[Slot, ...]
    corrected: tuple[tuple[str, tuple[str, ...]], ...] = ()
    ignored: tuple[str, ...] = ()
    written: str = ""
    """The text as the catalog would write it, with what was corrected or joined; empty where that
    is the text itself."""


class Dictionary:
    """Which words the items of an index have, and how many items each."""

    def __init__(self, opened: OpenIndex, language: str) -> None:
        self._opened = opened
        self.language = language
        # Items in other languages are found by their own stemmer.
        self.languages = tuple(dict.fromkeys((language, *opened.languages)))[:4]

    @property
    def size(self) -> int:
        return self._opened.items

    def forms(self, word: str) -> tuple[str, ...]:
        """The word as the items of each language have it, if they do."""
        return tuple(dict.fromkeys(stem(word, language) for language in self.languages))

    def items_with(self, word: str) -> int:
        """How many items have the word, in any of its forms."""
        searcher = self._opened.searcher
        return max(searcher.doc_freq("text", form) for form in self.forms(word))

    def rarity(self, words: Sequence[str]) -> float:
        """What BM25 counts for words that an item has all of, apart from how often (the sum of
        their inverse document frequencies); 0 where no item has one of them."""
        counts = [self.items_with(word) for word in words]
        if not all(counts):
            return 0.0
        return math.fsum(math.log1p((self.size - n + 0.5) / (n + 0.5)) for n in counts)

    def close_to(self, word: str) -> list[str]:
        """The words of titles, brands and categories spelled almost like this one, best first."""
        distance = 2 if len(word) >= SHORTEST_TWICE_MISSPELLED else 1
        searcher = self._opened.searcher
        for allowed in range(1, distance + 1):
            query = Query.fuzzy_term_query(
                self._opened.index.schema, "words", word, distance=allowed
            )
            found: Counter[str] = Counter()
            for _, address in searcher.search(query, EXAMINED, count=False).hits:
                text = searcher.doc(address).get_first("words") or ""
                found.update(
                    {
                        other
                        for other in str(text).split()
                        if other != word and edits(word, other, allowed) <= allowed
                    }
                )
            if found:
                return sorted(
                    found, key=lambda other: (other[0] != word[0], -self.items_with(other), other)
                )[:3]
        return []


def parse(
    text: str, dictionary: Dictionary, synonyms: Sequence[tuple[str, tuple[str, ...]]] = ()
) -> Parsed:
    """The slots of a text; what no item has is corrected, or said to be ignored."""
    words = words_of(text)[:MOST_WORDS]
    phrases = {tuple(words_of(phrase)): others for phrase, others in synonyms}
    slots: list[Slot] = []
    corrected: list[tuple[str, tuple[str, ...]]] = []
    ignored: list[str] = []
    written: list[str] = []
    place = 0
    while place < len(words):
        phrase = _longest_phrase(words, place, phrases)
        if phrase:
            slots.append(_of_phrase(phrase, phrases[phrase], dictionary))
            written += phrase
            place += len(phrase)
            continue
        word = words[place]
        place += 1
        following = words[place] if place < len(words) else ""
        if joined := _joined(word, following, dictionary):
            slots.append(joined)
            written += _commonest(joined, dictionary)
            place += 1
            continue
        slot, correction = _of_word(word, dictionary)
        written.append(correction[0] if correction else word)
        if correction:
            corrected.append((word, correction))
        if slot is None:
            ignored.append(word)
        else:
            slots.append(slot)
    if slots and all(slot.optional for slot in slots):
        slots = [Slot(slot.words, slot.alternatives) for slot in slots]
    as_written = " ".join(written) if written != words else ""
    return Parsed(tuple(slots), tuple(corrected), tuple(ignored), as_written)


def _longest_phrase(
    words: Sequence[str], place: int, phrases: Mapping[tuple[str, ...], object]
) -> tuple[str, ...]:
    for length in range(min(len(words) - place, 4), 0, -1):
        phrase = tuple(words[place : place + length])
        if phrase in phrases:
            return phrase
    return ()


def _of_phrase(phrase: tuple[str, ...], others: Sequence[str], dictionary: Dictionary) -> Slot:
    """The phrase and what may stand for it, none of which counts more than the phrase itself.

    Rare words count much: else the one `notepad computer` would come before every `laptop`.
    """
    itself = Alternative(phrase)
    rarity = dictionary.rarity(phrase)
    meant = dict.fromkeys(tuple(words_of(other)) for other in others)
    alternatives = [
        Alternative(words, SYNONYM_WEIGHT * min(1.0, (rarity or theirs) / theirs))
        for words in meant
        if words not in ((), phrase) and (theirs := dictionary.rarity(words))
    ]
    own = [itself] if rarity or not alternatives else []
    return Slot(phrase, tuple([*own, *alternatives][:MOST_ALTERNATIVES]))


def _joined(word: str, following: str, dictionary: Dictionary) -> Slot | None:
    """`head set` also is `headset`, where items call it so.

    Both ways of writing count as much as the commoner one: else an item with a `head` and a `set`
    somewhere would come before every `headset`.
    """
    if not following or len(word) + len(following) < SHORTEST_MISSPELLED:
        return None
    apart, together = (word, following), (word + following,)
    rarity = dictionary.rarity(together)
    if not rarity:
        return None
    rarity_apart = dictionary.rarity(apart)
    least = min(rarity, rarity_apart or rarity)
    ways = [Alternative(together, JOINED_WEIGHT * least / rarity)]
    if rarity_apart:
        ways.insert(0, Alternative(apart, least / rarity_apart))
    return Slot(apart, tuple(ways))


def _commonest(slot: Slot, dictionary: Dictionary) -> tuple[str, ...]:
    """The words of the alternative that the catalog uses most."""
    return min(slot.alternatives, key=lambda each: dictionary.rarity(each.words)).words


def _of_word(word: str, dictionary: Dictionary) -> tuple[Slot | None, tuple[str, ...]]:
    """The slot of a word, None if nothing can fill it; and what was taken for it."""
    items = dictionary.items_with(word)
    optional = is_stop_word(word, dictionary.language)
    itself = [Alternative((word,))] if items else []
    if optional or items > max(1, RARE * dictionary.size):
        return (Slot((word,), tuple(itself), optional) if itself else None), ()
    if not items and (halves := _halves(word, dictionary)):
        return Slot((word,), (Alternative(halves, JOINED_WEIGHT),)), (" ".join(halves),)
    if len(word) < SHORTEST_MISSPELLED or word.isdecimal():
        return (Slot((word,), tuple(itself)) if itself else None), ()
    close = [
        other
        for other in dictionary.close_to(word)
        if not items or dictionary.items_with(other) >= MUCH_MORE * items
    ]
    found = [*itself, *(Alternative((other,), SPELLING_WEIGHT) for other in close)]
    # A word that some item has was not corrected, only widened.
    return (Slot((word,), tuple(found)) if found else None), () if items else tuple(close)


def _halves(word: str, dictionary: Dictionary) -> tuple[str, str] | None:
    """`laptopbag` as two words that items have, the commoner the better; `256gb` at the digits."""
    best: tuple[float, tuple[str, str]] | None = None
    for place in range(1, len(word)):
        left, right = word[:place], word[place:]
        at_digits = left[-1].isdigit() != right[0].isdigit()
        if min(len(left), len(right)) < 3 and not at_digits:
            continue
        least = min(dictionary.items_with(left), dictionary.items_with(right))
        if least and (best is None or math.log(least) + at_digits * 10 > best[0]):
            best = math.log(least) + at_digits * 10, (left, right)
    return None if best is None else best[1]


@lru_cache(maxsize=10_000)
def edits(one: str, other: str, most: int) -> int:
    """Insertions, deletions, replacements and swaps of neighbors between two words (optimal string
    alignment); `most` + 1 where it is more than that."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        current = [i]
        for j, against in enumerate(other, start=1):
            cost = min(row[j] + 1, current[-1] + 1, row[j - 1] + (letter != against))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == against:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        before, row = row, current
    return min(row[-1], most + 1)
