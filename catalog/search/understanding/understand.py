"""What a shopper's words demand: constraints that can be stated and removed, and what is left to
search for."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from catalog.search.filter_syntax import write_filter
from catalog.search.understanding.leftover import Span, without
from catalog.search.understanding.lexicon import Role
from catalog.search.understanding.options import Option, options_in, unlisted
from catalog.search.understanding.prices import PriceBound, price_bounds
from catalog.search.understanding.vocabulary import Vocabulary
from catalog.search.understanding.words import Token, fold, tokens_of
from catalog.search.values import Filter

MOST_CHARACTERS = 500
"""Of a query that are read; the rest says nothing to anybody."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """One demand of the query. `words` are those that said so.

    `id` is the filter as `filter_syntax` writes it, so it stays the same from page to page.
    `applied` is False for what is only offered: the words go on ranking, and a shopper may make
    a filter of it.
    """

    filter: Filter
    words: str
    applied: bool

    @property
    def id(self) -> str:
        return write_filter(self.filter)


@dataclass(frozen=True, slots=True)
class Understanding:
    """`text` is what to search for; `constraints` what to demand, in the order of the query.

    `unused` are words that demand something which cannot be checked, such as a price in a
    currency that the catalog does not have.
    """

    text: str
    constraints: tuple[Constraint, ...] = ()
    unused: tuple[str, ...] = ()

    @property
    def filters(self) -> tuple[Filter, ...]:
        return tuple(each.filter for each in self.constraints if each.applied)


def understand(
    query: str, vocabulary: Vocabulary, *, ignored: Collection[str] = ()
) -> Understanding:
    """What the query demands, as far as the tenant's catalog has words for it.

    Constraints with an id in `ignored` are left out, and their words stay in the text. Words of
    a brand stay in any case, for titles name it. Never raises.
    """
    query = query[:MOST_CHARACTERS]
    folded = fold(query)
    tokens = tokens_of(folded)
    bounds = price_bounds(folded)
    in_prices = {i for i, t in enumerate(tokens) for b in bounds if b.start <= t.start < b.end}
    prices = [bound for bound in bounds if _comparable(bound, vocabulary)]
    foreign = [(bound.start, bound.end) for bound in bounds if bound not in prices]
    options = options_in(tokens, vocabulary, taken=in_prices)
    taken = in_prices.union(*(range(option.first, option.last + 1) for option in options))
    absent = unlisted(tokens, taken=taken)
    found = [*_price_constraints(prices, query), *_option_constraints(options, tokens, query)]
    found.sort(key=lambda each: each[0])
    kept = [each for each in found if each[1].id not in ignored]
    spans = [span for _, constraint, spans in kept for span in spans if _leaves(constraint)]
    return Understanding(
        text=without(query, tokens, [*spans, *foreign, *absent]),
        constraints=tuple(constraint for _, constraint, _ in kept),
        unused=tuple(query[start:end] for start, end in foreign),
    )


Found = tuple[int, Constraint, list[Span]]


def _comparable(bound: PriceBound, vocabulary: Vocabulary) -> bool:
    """Whether the bound is in a currency of the catalog: no rate of exchange is known."""
    known = bound.currencies & vocabulary.currencies
    return bool(known) or not bound.currencies or not vocabulary.currencies


def _price_constraints(bounds: Sequence[PriceBound], query: str) -> Iterator[Found]:
    """One constraint for all bounds; of two for the same end the last counts."""
    if not bounds:
        return
    at_least = at_most = None
    for bound in bounds:
        at_least = at_least if bound.at_least is None else bound.at_least
        at_most = at_most if bound.at_most is None else bound.at_most
    if at_least is not None and at_most is not None and at_least > at_most:
        return
    spans = [(bound.start, bound.end) for bound in bounds]
    words = " ".join(query[start:end] for start, end in spans)
    price = Filter("price", at_least=at_least, at_most=at_most)
    yield spans[0][0], Constraint(price, words, applied=True), spans


def _option_constraints(
    options: Sequence[Option], tokens: Sequence[Token], query: str
) -> Iterator[Found]:
    """One constraint for the values of a field that are wanted, one for those that are not. Each
    category stands for itself, for an item is in several."""
    groups: defaultdict[tuple[str, bool, bool, str], list[Option]] = defaultdict(list)
    for option in options:
        alone = option.term.value if option.term.field == "category" else ""
        groups[option.term.field, option.negated, option.demanded, alone].append(option)
    for (field, negated, demanded, _), group in groups.items():
        spans = [(tokens[o.first].start, tokens[o.last].end) for o in group]
        words = " ".join(query[start:end] for start, end in spans)
        values = tuple(dict.fromkeys(o.term.value for o in group))
        condition = Filter(field, values=values, negated=negated)
        yield spans[0][0], Constraint(condition, words, applied=demanded), spans


def _leaves(constraint: Constraint) -> bool:
    """Whether the words of the constraint leave the text: they say nothing to rank by any more."""
    stays = constraint.filter.field in {Role.BRAND, Role.CATEGORY}
    return constraint.applied and (constraint.filter.negated or not stays)
