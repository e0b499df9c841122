"""How a query is cut into words that compare equal however they are typed."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

TOKEN = re.compile(r"\d+(?:[.,/]\d+)*|[^\W\d_]+|[%+]")

SAME = {
    "colour": "color",
    "coloured": "colored",
    "grey": "gray",
    "neckline": "neck",
    "jewellery": "jewelry",
    "aluminium": "aluminum",
    "fibre": "fiber",
    "litre": "liter",
    "metre": "meter",
    "sleeved": "sleeve",
    "multicolored": "multicolor",
    "multicoloured": "multicolor",
    "piece": "pc",
}
"""Spellings of one word, as shops and shoppers mix them."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word at its place in the text. `stem` is what it is compared by."""

    text: str
    stem: str
    start: int
    end: int


def fold(text: str) -> str:
    """Lower case without accents, character by character: places in it are places in `text`."""
    return text.lower() if text.isascii() else "".join(map(_folded, text))


def tokens_of(folded: str) -> list[Token]:
    """The words and numbers of a folded text; what joins letters to digits splits them."""
    found = []
    for match in TOKEN.finditer(folded):
        word, start = match.group(), match.start()
        if word == "s" and folded[start - 1 : start] in {"'", "’"}:
            continue  # men's
        found.append(Token(word, stem_of(word), start, match.end()))
    return found


def stems_of(text: str) -> tuple[str, ...]:
    """The words of a name or a value, as a query's are compared with them."""
    return tuple(token.stem for token in tokens_of(fold(text)))


@lru_cache(maxsize=50_000)
def stem_of(word: str) -> str:
    """A folded word without its plural, in one spelling. Crude on purpose: both sides get it."""
    word = SAME.get(word, word)
    if len(word) > 3 and not word[0].isdigit():
        if word.endswith("ies") and len(word) > 4:
            word = word[:-3] + "y"
        elif word.endswith(("ches", "shes", "xes", "sses")):
            word = word[:-2]
        elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
            word = word[:-1]
    return SAME.get(word, word)


def text_between(tokens: Sequence[Token], first: int, last: int) -> tuple[int, int]:
    """Where the tokens from `first` to `last`, both included, stand in the text."""
    return tokens[first].start, tokens[last].end


@lru_cache(maxsize=5_000)
def _folded(character: str) -> str:
    if character.isalpha():
        character = unicodedata.normalize("NFKD", character)[0]
    lowered = character.casefold()
    return lowered[0] if lowered else character
