"""What a tenant's catalog has words for: categories, brands, attributes and their values."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from catalog.search.understanding.lexicon import (
    ALSO,
    FREE,
    NEED_A_NAME,
    PIECES,
    ROLE_NAMES,
    YES,
    Role,
    Words,
)
from catalog.search.understanding.words import stems_of
from catalog.search.values import ATTRIBUTE

LONGEST = 7
"""Words of the longest phrase that is looked for in a query."""

WIDELY_GIVEN = 0.5
"""Where at least this share of the items that could have an attribute have it, to lack a value is
to be something else; where fewer do, it often only was not written down."""


@dataclass(frozen=True, slots=True)
class Term:
    """One value that items have in a field. `field` is named as in `Filter`.

    `items` is how many have it. `given` in 0-1 is the share of items that have the field at all,
    among those of the categories in which it is used.
    """

    field: str
    value: str
    items: int = 1
    given: float = 1.0

    @property
    def role(self) -> Role:
        return role_of(self.field)


@dataclass(frozen=True, slots=True)
class Surface:
    """One way a query may say a term. `needs_name`: only beside the name of its field."""

    term: Term
    needs_name: bool


@dataclass(frozen=True)
class Vocabulary:
    """Everything that understanding knows of one tenant. Built once, asked often."""

    terms: tuple[Term, ...] = ()
    currencies: frozenset[str] = frozenset()
    """The catalog's; empty when it has no prices, and then any currency is understood."""
    phrases: Mapping[Words, tuple[Surface, ...]] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        found: defaultdict[Words, dict[Term, bool]] = defaultdict(dict)
        common = self._category_words()
        for term in self.terms:
            for words, needs_name in _ways_to_say(term, common):
                if words and len(words) <= LONGEST:
                    kept = found[words].get(term, True)
                    found[words][term] = kept and needs_name
        object.__setattr__(
            self,
            "phrases",
            {
                words: tuple(Surface(term, needs) for term, needs in said.items())
                for words, said in found.items()
            },
        )

    @cached_property
    def longest(self) -> int:
        return max(map(len, self.phrases), default=0)

    def _category_words(self) -> frozenset[Words]:
        """What categories are called: such a word says what is looked for, not how it should be."""
        return frozenset(stems_of(t.value) for t in self.terms if t.field == "category")


def name_words(field_name: str) -> Words:
    """The words that name a field in a query."""
    return stems_of(field_name.removeprefix(ATTRIBUTE).replace("_", " "))


def role_of(field_name: str) -> Role:
    """What a field is for, by the words of its name. A brand's and a category's own field is sure;
    an attribute called "brand compatibility" is no brand."""
    if field_name in {"brand", "category"}:
        return Role(field_name)
    for word in name_words(field_name):
        role = ROLE_NAMES.get(word, Role.OTHER)
        if role not in {Role.OTHER, Role.BRAND, Role.CATEGORY}:
            return role
    return Role.OTHER


def _ways_to_say(term: Term, categories: frozenset[Words]) -> Iterator[tuple[Words, bool]]:
    words = stems_of(term.value)
    if not words:
        return
    names = name_words(term.field)
    if term.value.strip().casefold() in YES:
        yield names, False  # waterproof: yes
        return
    needs = _says_little(words) or (term.role == Role.OTHER and words in categories)
    yield words, needs
    for other in ALSO.get((term.role, words), ()):
        yield other, _says_little(other)
    before, colon, after = term.value.partition(":")
    if colon:  # int:l, waist:29
        label, inner = stems_of(before), stems_of(after)
        yield inner, True
        for other in ALSO.get((Role.SIZE, inner), ()):
            yield other, True
        yield from (((*label, *inner), False), ((*inner, *label), False))
        yield (*inner, "inch", *label), False
    if words[0].isdigit() and len(words) > 1 and words[1] in PIECES:
        yield from _pieces(words[0])
    if len(words) > 1 and words[-1] in FREE:
        yield ("free", "from", *words[:-1]), False
        yield ("without", *words[:-1]), False


def _pieces(number: str) -> Iterator[tuple[Words, bool]]:
    for unit in ("pack", "set", "box"):
        yield (unit, "of", number), False
    for unit in PIECES:
        yield (number, unit), False


def _says_little(words: Words) -> bool:
    """Whether the words are too common, or too short, to be taken for a value by themselves."""
    if all(word in NEED_A_NAME for word in words):
        return True
    return len(words) == 1 and (len(words[0]) < 3 or words[0].isdigit())


def merged(terms: Iterable[Term]) -> tuple[Term, ...]:
    """The terms without those that differ only in case: the most frequent spelling stands."""
    best: dict[tuple[str, str], Term] = {}
    for term in terms:
        key = term.field.casefold(), term.value.casefold()
        kept = best.get(key)
        if kept is None or term.items > kept.items:
            best[key] = term
    return tuple(best.values())
