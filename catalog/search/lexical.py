"""Which items have the words, and how well they suit: BM25 over weighted fields."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from tantivy import FieldType, Occur, Query, Schema

from catalog.search.facts import as_code
from catalog.search.schema import NO_GROUP, PRICE_UNIT, fact, number_key
from catalog.search.slots import Alternative, Dictionary, Parsed, Slot
from catalog.search.storage import OpenIndex
from catalog.search.values import ATTRIBUTE, IN_STOCK, Filter

FIELD_WEIGHTS: Final = {
    "text": 1.0,
    "prose": 1.0,
    "attributes": 0.5,
    "title": 0.7,
    "category": 0.2,
}
"""What a field's BM25 counts. `text` is everything the item says, `prose` all but attributes; what
the title says is in three of the fields, and so counts most."""

MOST_PRICE: Final = 2**62

Ids = Sequence[int]
Scores = dict[int, float]


@dataclass(frozen=True, slots=True)
class Top:
    """The best of what a query matches, and how much that is."""

    scores: Scores
    count: int


@dataclass(frozen=True, slots=True)
class Lexical:
    """The queries that a text and its filters come to. All are restricted to the filters."""

    opened: OpenIndex
    dictionary: Dictionary
    parsed: Parsed
    conditions: tuple[tuple[Occur, Query], ...]

    @property
    def schema(self) -> Schema:
        return self.opened.index.schema

    def every_word(self) -> Query:
        """Items in which each slot is filled."""
        needed = [slot for slot in self.parsed.slots if not slot.optional]
        return self._restricted([(Occur.Must, self._filled(slot)) for slot in needed])

    def unfiltered(self) -> Query:
        """As `every_word`, whatever the filters say."""
        return replace(self, conditions=()).every_word()

    def some_word(self) -> Query:
        """Items in which a slot is filled."""
        filled = [(Occur.Should, self._filled(slot)) for slot in self.parsed.slots]
        return self._restricted([(Occur.Must, Query.boolean_query(filled))])

    def among(self, ids: Ids) -> Query:
        """These items, as far as the filters leave them."""
        return self._restricted([(Occur.Must, Query.term_set_query(self.schema, "item", ids))])

    def filtered(self) -> Query:
        """All that the filters leave."""
        return self._restricted([(Occur.Must, Query.all_query())])

    def scored(self, matching: Query, fields: Iterable[str] = FIELD_WEIGHTS) -> Query:
        """What matches, with the sum of the weighted fields' BM25 as its score."""
        scores = [(Occur.Should, self._field(field)) for field in fields]
        return Query.boolean_query([(Occur.Must, Query.const_score_query(matching, 0.0)), *scores])

    def top(self, query: Query, limit: int) -> Top:
        """The best items of a query with their scores, best first; ties by id."""
        found = self.opened.searcher.search(query, max(limit, 1))
        addresses = [address for _, address in found.hits[:limit]]
        items = self.opened.searcher.fast_field_values("item", addresses)
        pairs = [(int(pk or 0), float(score)) for pk, (score, _) in zip(items, found.hits)]  # noqa: B905
        pairs.sort(key=lambda pair: (-pair[1], pair[0]))
        return Top(dict(pairs), found.count)  # type: ignore[attr-defined]  # missing in the stubs

    def coverage(self, ids: Ids) -> Scores:
        """The share of the slots that each of these items fills."""
        needed = [slot for slot in self.parsed.slots if not slot.optional]
        if not needed or not ids:
            return {}
        filled = [
            (Occur.Should, Query.const_score_query(self._filled(slot), 1 / len(needed)))
            for slot in needed
        ]
        among = Query.const_score_query(self.among(ids), 0.0)
        return self.top(Query.boolean_query([(Occur.Must, among), *filled]), len(ids)).scores

    def ids(self, query: Query, limit: int) -> list[int]:
        """Any items of a query, at most so many."""
        return list(self.top(Query.const_score_query(query, 1.0), limit).scores)

    def count(self, query: Query) -> int:
        counted: int = self.opened.searcher.search(query, 1).count  # type: ignore[attr-defined]  # missing in the stubs
        return counted

    def groups(self, ids: Ids) -> dict[int, int]:
        """Of these items, those that are variants, with the number of their group. One pass."""
        searcher = self.opened.searcher
        if not ids or not self.opened.grouped:
            return {}
        query = Query.const_score_query(Query.term_set_query(self.schema, "item", ids), 1.0)
        found = searcher.search(query, len(ids), count=False).hits
        addresses = [address for _, address in found]
        items = searcher.fast_field_values("item", addresses)
        numbers = searcher.fast_field_values("group", addresses)
        pairs = zip(items, numbers, strict=True)
        return {int(pk or 0): int(number) for pk, number in pairs if number}

    def distinct(self, query: Query) -> int:
        """How many things a query matches: variants of one count once. Of more than a few
        thousand groups it is estimated, within a percent or two."""
        if not self.opened.grouped:
            return self.count(query)
        single = Query.term_query(self.schema, "group", NO_GROUP, "basic")
        variants = without(query, single)
        asked = {"groups": {"cardinality": {"field": "group"}}}
        groups = self.opened.searcher.aggregate(variants, asked)["groups"]["value"]
        alone = Query.boolean_query([(Occur.Must, query), (Occur.Must, single)])
        return self.count(alone) + round(groups or 0)

    def _restricted(self, clauses: list[tuple[Occur, Query]]) -> Query:
        return Query.boolean_query([*clauses, *self.conditions])

    def _filled(self, slot: Slot) -> Query:
        """Everything an item says is in `text`, so this field alone tells what it has."""
        return _any([self._has(each, "text") for each in slot.alternatives])

    def _field(self, field: str) -> Query:
        """The sum over the slots of a field's BM25; of alternatives, the best one counts."""
        slots = []
        for slot in self.parsed.slots:
            scored = [_boosted(self._has(each, field), each.weight) for each in slot.alternatives]
            best = scored[0] if len(scored) == 1 else Query.disjunction_max_query(scored)
            slots.append((Occur.Should, best))
        return _boosted(Query.boolean_query(slots), FIELD_WEIGHTS[field])

    def _has(self, alternative: Alternative, field: str) -> Query:
        words = [self._word(word, field) for word in alternative.words]
        if len(words) == 1:
            return words[0]
        return Query.boolean_query([(Occur.Must, word) for word in words])

    def _word(self, word: str, field: str) -> Query:
        forms = [
            Query.term_query(self.schema, field, form, "freq")
            for form in self.dictionary.forms(word)
        ]
        return forms[0] if len(forms) == 1 else Query.disjunction_max_query(forms)


def without(query: Query, left_out: Query) -> Query:
    """The query less what the other one matches."""
    return Query.boolean_query([(Occur.Must, query), (Occur.MustNot, left_out)])


def code_query(opened: OpenIndex, text: str) -> Query | None:
    """Items that the text, or a word of it, names exactly; None where nothing looks like a code."""
    # A word without a digit is a word: a shop may well sell an item with the id `lamp`.
    parts = {as_code(part) for part in (text, *text.split()) if _has_digit(part)} - {""}
    if not parts:
        return None
    return Query.term_set_query(opened.index.schema, "codes", sorted(parts))


def conditions(
    opened: OpenIndex, filters: Sequence[Filter], *, but: str = ""
) -> tuple[tuple[Occur, Query], ...]:
    """The filters as parts of a query, without those on the field `but`; in stock unless they say
    otherwise."""
    made = [
        (Occur.MustNot if each.negated else Occur.Must, Query.const_score_query(query, 0.0))
        for each in filters
        if each.field != but
        for query in [_condition(opened, each)]
    ]
    if not any(each.field == "availability" for each in filters):
        in_stock = Query.term_query(opened.index.schema, "availability", IN_STOCK, "basic")
        made.append((Occur.Must, Query.const_score_query(in_stock, 0.0)))
    return tuple(made)


def _condition(opened: OpenIndex, each: Filter) -> Query:
    schema = opened.index.schema
    parts = []
    if each.values and each.field == "price":
        prices = [_units(Decimal(value), ROUND_FLOOR) for value in each.values]
        parts.append(Query.term_set_query(schema, "price", prices))
    elif each.values and each.field == "availability":
        parts.append(Query.term_set_query(schema, "availability", list(each.values)))
    elif each.values:
        facts = [fact(each.field, value) for value in each.values]
        parts.append(Query.term_set_query(schema, "facts", facts))
    if each.at_least is not None or each.at_most is not None:
        parts.append(_range(opened, each))
    return parts[0] if len(parts) == 1 else Query.boolean_query([(Occur.Must, p) for p in parts])


def _range(opened: OpenIndex, each: Filter) -> Query:
    if each.field == "price":
        least = 0 if each.at_least is None else max(0, _units(each.at_least, ROUND_CEILING))
        most = MOST_PRICE if each.at_most is None else _units(each.at_most, ROUND_FLOOR)
        if most < least:
            return Query.empty_query()
        return Query.range_query(
            opened.index.schema, "price", FieldType.Integer, least, min(most, MOST_PRICE)
        )
    name = each.field.removeprefix(ATTRIBUTE)
    least_key = number_key(name, -math.inf if each.at_least is None else float(each.at_least))
    most_key = number_key(name, math.inf if each.at_most is None else float(each.at_most))
    # Only the query language knows ranges of text. Both keys are letters and digits.
    return opened.index.parse_query(f"numbers:[{least_key} TO {most_key}]")


def _units(price: Decimal, rounding: str) -> int:
    return int((price * PRICE_UNIT).to_integral_value(rounding))


def _any(queries: list[Query]) -> Query:
    if len(queries) == 1:
        return queries[0]
    return Query.boolean_query([(Occur.Should, query) for query in queries])


def _boosted(query: Query, weight: float) -> Query:
    return query if weight == 1.0 else Query.boost_query(query, weight)


def _has_digit(text: str) -> bool:
    return any(letter.isdigit() for letter in text)
