"""Which items have the words, and how well they suit: BM25 over weighted fields."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Final

from tantivy import FieldType, Occur, Query, Schema

from catalog.search.facts import as_code
from catalog.search.schema import NO_GROUP, PRICE_UNIT, fact, number_key
from catalog.search.slots import Alternative, Dictionary, Parsed, Slot
from catalog.search.storage import OpenIndex
from catalog.search.values import ATTRIBUTE, SOLD_OUT, Filter

FIELD_WEIGHTS: Final = {
    "text": 1.0,
    "prose": 1.0,
    "attributes": 0.5,
    "title": 0.7,
    "category": 2.5,
}
"""What a field's BM25 counts. `text` is everything the item says, `prose` all but attributes. What
the title says is in three of the fields; `category` is what the item is (`facts.kinds_of`), which
counts about as much: who types `laptop` wants one, rather than a lock that is for laptops."""

MOST_PRICE: Final = 2**62

COSTLY: Final = 20_000
"""Where a text's words stand in more places than this, not everything they match is scored by all
fields: of a catalog of a million items that would take longer than all else together."""

ROUGH: Final = 400
"""So many of the best by `text` alone are scored by all fields then."""

DEEPEST: Final = 2_000
"""So many of the best by `text` are looked through for those that the filters leave. Narrow filters
leave too few of them; they are asked first."""

SCORED_ALL: Final = 2_000
"""Of so few matches all are scored by all fields, however common the words are."""

NAMED: Final = 1_000
"""Up to so many items a term each is looked up faster than a set of them is."""

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
        return self._restricted([(Occur.Must, these(self.schema, ids))])

    def filtered(self) -> Query:
        """All that the filters leave."""
        return self._restricted([(Occur.Must, Query.all_query())])

    def scored(
        self, matching: Query, fields: Iterable[str] = FIELD_WEIGHTS, *, few: bool = False
    ) -> Query:
        """What matches, with the sum of the weighted fields' BM25 as its score.

        `few` says that few of those that have a word match.
        """
        scores = [part for field in fields for part in self._field(field)]
        return self._summed(matching, scores, few=few)

    def best_of_every(self, limit: int) -> Top:
        """The best of `every_word`. One rare word will do for all of them to be scored by all
        fields: what has every word has this one."""
        if self._costly and self._at_most <= SCORED_ALL:
            return self.top(self.scored(self.every_word(), few=True), limit)
        return self.best(self.every_word(), limit)

    def best(self, query: Query, limit: int) -> Top:
        """The best of `every_word` or `some_word` by all fields.

        If the words are very common, the best by all fields of the best by `text`.
        """
        if not self._costly:
            return self.top(self.scored(query), limit)
        rough = self.top(query, ROUGH)
        if rough.count <= SCORED_ALL:
            return self.top(self.scored(query, few=True), limit)
        return Top(self._by_all_fields(rough.scores, limit), rough.count)

    def best_of_some(self, limit: int, *, share: float = 1.0) -> Top:
        """The best of `some_word`; if the words are very common, `count` is no less than how many
        items have one. `share` of all items is what the filters leave."""
        deep = round(ROUGH / share) if share else DEEPEST + 1
        if self._costly and deep <= DEEPEST:
            # Nothing but words: the engine need not look at what cannot be among the best.
            words = [self._has(each, "text") for each in self._alternatives]
            rough = self._items(self.opened.searcher.search(_any(words), deep, count=False).hits)
            if len(self.conditions) > 1:
                left = set(self.ids(self.among(rough), deep))
                rough = [pk for pk in rough if pk in left]
            scores = self._by_all_fields(rough[:ROUGH], limit)
            if len(scores) == limit:
                return Top(scores, self._places)
        return self.best(self.some_word(), limit)

    def top(self, query: Query, limit: int) -> Top:
        """The best items of a query with their scores, best first; ties by id."""
        found = self.opened.searcher.search(query, max(limit, 1))
        hits = found.hits[:limit]
        pairs = [
            (-float(score), pk) for pk, (score, _) in zip(self._items(hits), hits, strict=True)
        ]
        pairs.sort()
        scores = {pk: -negated for negated, pk in pairs}
        return Top(scores, found.count)  # type: ignore[attr-defined]  # missing in the stubs

    def coverage(self, ids: Ids) -> Scores:
        """The share of the slots that each of these items fills."""
        needed = [slot for slot in self.parsed.slots if not slot.optional]
        if not needed or not ids:
            return {}
        filled = [Query.const_score_query(self._filled(slot), 1 / len(needed)) for slot in needed]
        return self.top(self._summed(self.among(ids), filled, few=True), len(ids)).scores

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
        query = Query.const_score_query(these(self.schema, ids), 1.0)
        found = searcher.search(query, len(ids), count=False).hits
        addresses = [address for _, address in found]
        items = searcher.fast_field_values("item", addresses)
        numbers = searcher.fast_field_values("group", addresses)
        pairs = zip(items, numbers, strict=True)
        return {int(pk or 0): int(number) for pk, number in pairs if number}

    def distinct(self, query: Query) -> int:
        """How many things a query matches: variants of one count once. Of many groups it is
        estimated (HyperLogLog): 1.3 % too many of 1,000, 0.2 of 50,000, 3 of 200,000."""
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

    def _field(self, field: str) -> list[Query]:
        """Per slot a field's BM25; of alternatives, the best one counts."""
        weight = FIELD_WEIGHTS[field]
        slots = []
        for slot in self.parsed.slots:
            scored = [
                _boosted(self._has(each, field), each.weight * weight) for each in slot.alternatives
            ]
            slots.append(scored[0] if len(scored) == 1 else Query.disjunction_max_query(scored))
        return slots

    def _summed(self, matching: Query, scores: Sequence[Query], *, few: bool) -> Query:
        """What matches, and the sum of the scores."""
        query = Query.const_score_query(matching, 0.0)
        if not (few and self._costly):
            return Query.boolean_query(
                [(Occur.Must, query), *((Occur.Should, each) for each in scores)]
            )
        # Scores that may all be missing are read as a union, through all places where the words
        # stand; one that may be missing is only looked up for what matches.
        for each in scores:
            query = Query.boolean_query([(Occur.Must, query), (Occur.Should, each)])
        return query

    def _by_all_fields(self, ids: Iterable[int], limit: int) -> Scores:
        return self.top(self.scored(self.among(list(ids)), few=True), limit).scores

    def _items(self, hits: Sequence[tuple[Any, Any]]) -> list[int]:
        found = self.opened.searcher.fast_field_values("item", [address for _, address in hits])
        return [int(pk or 0) for pk in found]

    @property
    def _alternatives(self) -> list[Alternative]:
        return [each for slot in self.parsed.slots for each in slot.alternatives]

    @property
    def _places(self) -> int:
        """In how many places the words stand."""
        words = {word for each in self._alternatives for word in each.words}
        return sum(map(self.dictionary.items_with, words))

    @property
    def _at_most(self) -> int:
        """How many items have every word at most; more only where a word has several forms."""
        filled = [
            sum(min(map(self.dictionary.items_with, each.words)) for each in slot.alternatives)
            for slot in self.parsed.slots
            if not slot.optional
        ]
        return min(filled, default=0)

    @property
    def _costly(self) -> bool:
        return self._places > COSTLY

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


def these(schema: Schema, ids: Ids) -> Query:
    """The items with these ids."""
    if len(ids) > NAMED or not ids:
        return Query.term_set_query(schema, "item", ids)
    return _any([Query.term_query(schema, "item", pk, "basic") for pk in ids])


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
        # Few items are sold out: leaving them out takes less than demanding of all to be in stock.
        sold_out = Query.term_query(opened.index.schema, "availability", SOLD_OUT, "basic")
        made.append((Occur.MustNot, Query.const_score_query(sold_out, 0.0)))
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
