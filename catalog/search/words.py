"""Which words a text has, and which of them mean the same: tokens, stems, stop words."""

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Final

from tantivy import Filter, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

STEMMERS: Final = {
    "ar": "arabic",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "it": "italian",
    "nb": "norwegian",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
}
"""Snowball's stemmers by language. The words of another language are taken as they are written."""

STOP_WORDS: Final = frozenset(
    {"da", "de", "en", "es", "fi", "fr", "hu", "it", "nb", "nl", "nn", "no", "pt", "ru", "sv"}
)
"""The languages whose stop words are known."""

LONGEST: Final = 60
"""Of a word, in bytes; what is longer is no word that anybody types."""

# Words of a name that are also written as one: TN-2110 and wi-fi, but not 3.5 and 10-20.
_JOINED = re.compile(r"(?=[\d\-./]*[^\W\d])\w+(?:[-./]\w+)+")
_JOINTS = re.compile(r"[-./]")


def base_language(code: str) -> str:
    """`de` of `de-AT`."""
    return re.split(r"[-_]", code.lower(), maxsplit=1)[0]


def words_of(text: str) -> list[str]:
    """The words in order, in lower case, without accents."""
    return _plain().analyze(text)


def stems_of(text: str, language: str) -> list[str]:
    """The stems of the words in order, by the stemmer of the language (a base language)."""
    return _stemming(language).analyze(text)


def joined_forms(text: str) -> list[str]:
    """`tn2110` of `TN-2110`: what is written with a hyphen is looked for without one, too."""
    return [_JOINTS.sub("", name).lower() for name in _JOINED.findall(text)]


def indexed(text: str, language: str) -> str:
    """The stems of a text and its joined forms, with spaces between, for the index."""
    return " ".join([*stems_of(text, language), *joined_forms(text)])


@lru_cache(maxsize=50_000)
def stem(word: str, language: str) -> str:
    """The stem of one word."""
    return next(iter(stems_of(word, language)), word)


@lru_cache(maxsize=10_000)
def is_stop_word(word: str, language: str) -> bool:
    """Whether a word says nothing by itself, as `for` and `with`."""
    return language in STOP_WORDS and not _stopping(language).analyze(word)


def without_stop_words(words: Iterable[str], language: str) -> list[str]:
    return [word for word in words if not is_stop_word(word, language)]


@cache
def _plain() -> TextAnalyzer:
    return (
        TextAnalyzerBuilder(Tokenizer.simple())
        .filter(Filter.remove_long(LONGEST))
        .filter(Filter.lowercase())
        .filter(Filter.ascii_fold())
        .build()
    )


@cache
def _stemming(language: str) -> TextAnalyzer:
    builder = (
        TextAnalyzerBuilder(Tokenizer.simple())
        .filter(Filter.remove_long(LONGEST))
        .filter(Filter.lowercase())
    )
    if language in STEMMERS:
        builder = builder.filter(Filter.stemmer(STEMMERS[language]))
    return builder.filter(Filter.ascii_fold()).build()


@cache
def _stopping(language: str) -> TextAnalyzer:
    return (
        TextAnalyzerBuilder(Tokenizer.simple())
        .filter(Filter.lowercase())
        .filter(Filter.stopword(STEMMERS[language]))
        .build()
    )
