"""What a shopper's words may stand for in this shop: kept by staff, looked up in each query."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

from django.conf import settings

from catalog.search.understanding.words import fold, tokens_of
from catalog.search.words import base_language
from catalog.search_models import SearchSynonym
from tenants.connection import connection
from tenants.settled import settled

Phrase = tuple[str, ...]
Expansion = tuple[str, tuple[str, ...]]
"""Words of the text, and what may stand for them."""

MOST_ALTERNATIVES = 20
MOST_CHARACTERS = 100
MAX_LINES = 10_000

EVERYDAY = Path(__file__).parent
"""Where the lists are that come with the product."""


@dataclass(frozen=True, slots=True)
class SynonymLine:
    """One line of an import: what is typed, what it may stand for, and whether it goes back."""

    words: str
    alternatives: tuple[str, ...]
    two_way: bool


@dataclass(frozen=True, slots=True)
class SynonymBook:
    """All active synonyms of a tenant, by the folded words that they stand for."""

    by_words: Mapping[Phrase, tuple[str, ...]]
    longest: int

    def expansions(self, text: str) -> tuple[Expansion, ...]:
        """The phrases of the text that have synonyms, the longest first where they overlap."""
        folded = fold(text)
        tokens = tokens_of(folded)
        stems = [token.stem for token in tokens]
        free = [True] * len(tokens)
        found: list[tuple[int, Expansion]] = []
        for length in range(min(self.longest, len(tokens)), 0, -1):
            for first in range(len(tokens) - length + 1):
                last = first + length
                others = self.by_words.get(tuple(stems[first:last]))
                if others and all(free[first:last]):
                    words = text[tokens[first].start : tokens[last - 1].end]
                    found.append((first, (words, others)))
                    free[first:last] = [False] * length
        return tuple(expansion for _, expansion in sorted(found))


NOTHING = SynonymBook({}, 0)


def synonyms_in(text: str) -> tuple[Expansion, ...]:
    """As `SearchRequest.synonyms` takes them. No query once the tenant's synonyms are settled."""
    return cast("SynonymBook", settled("synonyms", _read)).expansions(text)


def _read() -> SynonymBook:
    """The shop's synonyms over the everyday ones of its language: what a row says of its words,
    or that it is not active, holds alone."""
    rows = list(SearchSynonym.objects.all())
    own = book_of(SynonymLine(r.words, tuple(r.alternatives), r.two_way) for r in rows if r.active)
    language = base_language(getattr(connection.tenant, "language", ""))
    everyday = everyday_synonyms(language) if settings.SEARCH_EVERYDAY_SYNONYMS else NOTHING
    spoken_for = {_phrase(row.words) for row in rows}
    shipped = {
        phrase: others for phrase, others in everyday.by_words.items() if phrase not in spoken_for
    }
    by_words = shipped | dict(own.by_words)
    return SynonymBook(by_words, max(map(len, by_words), default=0))


@cache
def everyday_synonyms(language: str) -> SynonymBook:
    """What is called by two names anywhere, in a base language; nothing in one without a list."""
    path = EVERYDAY / f"everyday_synonyms_{language}.txt"
    if not language.isalpha() or not path.is_file():
        return NOTHING
    return book_of(read_lines(path.read_text(encoding="utf-8"))[0])


def book_of(lines: Iterable[SynonymLine]) -> SynonymBook:
    """The lines as a book: one-way from the words to the alternatives, two-way among them all."""
    found: defaultdict[Phrase, dict[str, None]] = defaultdict(dict)
    for line in lines:
        group = (line.words, *line.alternatives)
        for source in group if line.two_way else group[:1]:
            phrase = _phrase(source)
            others = [other for other in group if _phrase(other) != phrase]
            if phrase:
                found[phrase].update(dict.fromkeys(others))
    by_words = {
        phrase: tuple(others)[:MOST_ALTERNATIVES] for phrase, others in found.items() if others
    }
    return SynonymBook(by_words, max(map(len, by_words), default=0))


def read_lines(text: str) -> tuple[list[SynonymLine], list[str]]:
    """Synonyms as shops keep them, one group a line; and what is wrong with lines that are none.

    `sneakers, trainers, gym shoes` stand for one another; `cell => phone, mobile` goes one way
    only (the format of Solr). Empty lines and those that begin with `#` say nothing.
    """
    lines: list[SynonymLine] = []
    wrong: list[str] = []
    for number, raw in enumerate(text.splitlines()[: MAX_LINES + 1], start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        problem = f"More than {MAX_LINES:,} lines." if number > MAX_LINES else _problem(line)
        if problem:
            wrong.append(f"Line {number}: {problem}")
        else:
            lines += _parsed(line)
    return lines, wrong


def _problem(line: str) -> str:
    entries = _entries(line.replace("=>", ","))
    if len(entries) < 2 or line.count("=>") > 1 or re.match(r"\s*=>|.*=>\s*$", line):
        return "At least two entries, such as “sneakers, trainers” or “cell => phone”."
    if len(entries) > MOST_ALTERNATIVES + 1:
        return f"At most {MOST_ALTERNATIVES} alternatives."
    if any(len(entry) > MOST_CHARACTERS or not _phrase(entry) for entry in entries):
        return f"Each entry is a word or a phrase of at most {MOST_CHARACTERS} characters."
    return ""


def _parsed(line: str) -> Sequence[SynonymLine]:
    before, arrow, after = line.partition("=>")
    if arrow:
        others = tuple(_entries(after))
        return [SynonymLine(words, others, two_way=False) for words in _entries(before)]
    words, *alternatives = _entries(line)
    return [SynonymLine(words, tuple(alternatives), two_way=True)]


def _entries(text: str) -> list[str]:
    return list(dict.fromkeys(entry.strip() for entry in text.split(",") if entry.strip()))


def _phrase(text: str) -> Phrase:
    return tuple(token.stem for token in tokens_of(fold(text)))


def import_synonyms(lines: Iterable[SynonymLine]) -> int:
    """Store the lines; words that were there get the new alternatives. How many were stored."""
    rows = {
        line.words: SearchSynonym(
            words=line.words, alternatives=list(line.alternatives), two_way=line.two_way
        )
        for line in lines
    }
    SearchSynonym.objects.bulk_create(
        rows.values(),
        update_conflicts=True,
        unique_fields=["words"],
        update_fields=["alternatives", "two_way"],
    )
    SearchSynonym.objects.filter(words__in=rows).update(active=True)
    return len(rows)
