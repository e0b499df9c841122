"""Which values of the catalog a query names, and whether it wants them or wants to avoid them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from catalog.search.understanding.lexicon import (
    ALSO,
    ALTERNATIVES,
    BETWEEN_NEGATION_AND_VALUE,
    COMPATIBLE,
    CORE_ROLES,
    EXPLICIT_BRAND,
    NEGATIONS,
    ROLE_NAMES,
    Role,
    listed,
)
from catalog.search.understanding.vocabulary import (
    WIDELY_GIVEN,
    Surface,
    Term,
    Vocabulary,
    name_words,
)
from catalog.search.understanding.words import Token

NEAR = 3
"""How many words before a value its field may be named; after it, one less."""

AFTER_NEGATION = 3

SKIPPED = frozenset(listed("is, are, be, in, of, a, the, to, like, should, match"))
"""What may stand between the name of a field and the value."""


@dataclass(frozen=True, slots=True)
class Option:
    """A term that the query names, from token `first` to `last`.

    `demanded`: the query leaves no doubt that items without it are not wanted; the other options
    rank, and are offered.
    """

    term: Term
    first: int
    last: int
    negated: bool
    demanded: bool


def options_in(
    tokens: Sequence[Token], vocabulary: Vocabulary, *, taken: Collection[int] = ()
) -> list[Option]:
    """The options that the tokens name, from left to right. `taken` tokens say something else.

    Longer phrases win over shorter ones. A value that several fields have is that of the field
    which the query names beside it, else of a color, size, material or gender, else of the field
    whose name the query comes closest to, else of the one with the most items.
    """
    free = [index not in taken for index in range(len(tokens))]
    stems = [token.stem for token in tokens]
    found: list[Option] = []
    for length in range(min(vocabulary.longest, len(tokens)), 0, -1):
        for first in range(len(tokens) - length + 1):
            last = first + length - 1
            if not all(free[first : last + 1]):
                continue
            surfaces = vocabulary.phrases.get(tuple(stems[first : last + 1]))
            option = surfaces and _choose(surfaces, stems, first, last)
            if option:
                found.append(option)
                free[first : last + 1] = [False] * length
    found.sort(key=lambda option: option.first)
    return _with_negations(found, stems)


def _choose(
    surfaces: Sequence[Surface], stems: Sequence[str], first: int, last: int
) -> Option | None:
    best: tuple[tuple[bool, bool, int, int], Surface] | None = None
    elsewhere = {*stems[:first], *stems[last + 1 :]}
    for surface in surfaces:
        named = _named(surface.term, stems, first, last)
        if surface.needs_name and not named:
            continue
        close = sum(word in elsewhere for word in name_words(surface.term.field))
        key = named, surface.term.role in CORE_ROLES, close, surface.term.items
        if best is None or key > best[0]:
            best = key, surface
    if best is None:
        return None
    (named, *_), surface = best
    demanded = _demanded(surface.term, stems, first, named=named)
    return Option(surface.term, first, last, negated=False, demanded=demanded)


def _demanded(term: Term, stems: Sequence[str], first: int, *, named: bool) -> bool:
    before = stems[first - 1] if first else ""
    if term.role == Role.BRAND:
        return named or before not in COMPATIBLE
    if term.role == Role.CATEGORY:
        return named
    return named or term.role in CORE_ROLES or term.given >= WIDELY_GIVEN


def _named(term: Term, stems: Sequence[str], first: int, last: int) -> bool:
    """Whether the query names the term's field right beside the value."""
    names = set(name_words(term.field))
    before = first - 1
    while before >= 0 and first - before <= NEAR and stems[before] in SKIPPED - names:
        before -= 1
    neighbors = [stems[before]] if before >= 0 and first - before <= NEAR else []
    neighbors += stems[last + 1 : last + NEAR]
    if term.role == Role.BRAND and before >= 0 and stems[before] in EXPLICIT_BRAND:
        return True
    if term.role == Role.SIZE and first and stems[first - 1] == "in" and last + 1 == len(stems):
        return True  # a shirt in M
    return any(
        word in names or (term.role != Role.OTHER and ROLE_NAMES.get(word) == term.role)
        for word in neighbors
    )


def _with_negations(options: Sequence[Option], stems: Sequence[str]) -> list[Option]:
    found: list[Option] = []
    for option in options:
        start = _negation_before(stems, option.first)
        previous = found[-1] if found else None
        joined = (
            previous is not None and set(stems[previous.last + 1 : option.first]) <= ALTERNATIVES
        )
        if start is not None:
            found.append(_negated(option, start))
        elif previous and joined and previous.negated and previous.term.field == option.term.field:
            found.append(_negated(option, option.first))
        else:
            found.append(option)
    return found


def _negated(option: Option, first: int) -> Option:
    return Option(option.term, first, option.last, negated=True, demanded=True)


def _negation_before(stems: Sequence[str], first: int) -> int | None:
    """Where a negation of what begins at `first` begins itself."""
    end = first
    while end > 0 and first - end < AFTER_NEGATION and stems[end - 1] in BETWEEN_NEGATION_AND_VALUE:
        end -= 1
    for phrase in NEGATIONS:
        start = end - len(phrase)
        if start >= 0 and tuple(stems[start:end]) == phrase:
            return start
    return None


def unlisted(tokens: Sequence[Token], *, taken: Collection[int]) -> list[tuple[int, int]]:
    """Where the query excludes a color or a material that nothing in the catalog has: nothing is
    to be excluded then, but the words must not rank either."""
    stems = [token.stem for token in tokens]
    found = []
    for index, stem in enumerate(stems):
        known = any((role, (stem,)) in ALSO for role in (Role.COLOR, Role.MATERIAL))
        start = _negation_before(stems, index) if known and index not in taken else None
        if start is not None:
            found.append((tokens[start].start, tokens[index].end))
    return found
