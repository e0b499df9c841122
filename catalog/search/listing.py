"""Everything found, as one list in the order asked for, of which a page is read.

A list is a row of parts, each with its own order: the pool of a text and then what else has every
word; what has a price and then what has none; what sells and then the newest.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tantivy import FieldType, Occur, Order, Query

from catalog.search.dense import in_stock, prices_and_ages
from catalog.search.lexical import MOST_PRICE, Lexical
from catalog.search.ranked import Ranked, less
from catalog.search.schema import NO_GROUP, NO_PRICE
from catalog.search.values import SearchRequest, Sort

Ids = list[int]


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the items found: how many, and how to read them from a place on."""

    count: int
    read: Callable[[int, int], Ids]


@dataclass(frozen=True, slots=True)
class Listing:
    """Parts, one after the other. Of the variants of one thing only the first is listed."""

    parts: tuple[Part, ...]
    total: int
    """What is listed on all pages; each group of variants counts once."""
    matching: int
    """Of these, what matches: see `SearchResults.matching`."""
    lexical: Lexical

    def page(self, offset: int, limit: int) -> Ids:
        if self.lexical.opened.grouped:
            return self._first_of_groups(offset + limit)[offset:]
        found: Ids = []
        for part in self.parts:
            if offset < part.count and len(found) < limit:
                found += part.read(offset, min(limit - len(found), part.count - offset))
            offset = max(0, offset - part.count)
        return found

    def _first_of_groups(self, wanted: int) -> Ids:
        """From the first place on: which variant comes first depends on all that come before."""
        found: Ids = []
        seen: set[int] = set()
        for part in self.parts:
            place, step = 0, wanted
            while place < part.count and len(found) < wanted:
                ids = part.read(place, min(step, part.count - place))
                if not ids:
                    break
                groups = self.lexical.groups(ids)
                for pk in ids:
                    if (group := groups.get(pk, NO_GROUP)) not in seen:
                        found.append(pk)
                    if group != NO_GROUP:
                        seen.add(group)
                place += len(ids)
                step *= 2
        return found[:wanted]


def of_text(request: SearchRequest, ranked: Ranked) -> Listing:
    """What a text found. By relevance, that is all that has to do with it; in any other order only
    what has every word, if there is any: the nearly right would come first otherwise."""
    lexical, pool = ranked.lexical, list(ranked.pool)
    if request.sort == "relevance":
        return _by_relevance(request, ranked, pool)
    if ranked.has_every_word:
        left = less(ranked.every_word, lexical, list(ranked.dropped))
        return _sorted(request.sort, lexical, left, request.popular)
    if request.sort == "popular":
        places = {pk: place for place, pk in enumerate(request.popular)}
        pool.sort(key=lambda pk: places.get(pk, len(places)))
    else:
        pool = _sorted_live(request.sort, pool)
    groups = lexical.groups(pool)
    matching = _things(ranked.matching & set(pool), groups)
    return Listing((_fixed(pool),), _things(pool, groups), matching, lexical)


def of_filters(request: SearchRequest, lexical: Lexical) -> Listing:
    """What the filters leave; without another order, what sells comes first."""
    sort: Sort = "popular" if request.sort == "relevance" else request.sort
    return _sorted(sort, lexical, lexical.filtered(), request.popular)


def _by_relevance(request: SearchRequest, ranked: Ranked, pool: Ids) -> Listing:
    """The pool, then the others with every word. Of a group in the pool, what can be bought comes
    before what is sold out."""
    lexical = ranked.lexical
    groups = lexical.groups(pool)
    if groups and any(each.field == "availability" for each in request.filters):
        buyable = in_stock(groups)
        better = {groups[pk] for pk in buyable & groups.keys()}
        pool = [pk for pk in pool if pk in buyable or groups.get(pk) not in better]
    beyond = ranked.beyond_pool(set(groups.values()))
    counted = ranked.beyond
    if groups and counted:
        counted = lexical.count(beyond)
    total = lexical.distinct(beyond) if counted and lexical.opened.grouped else counted
    parts = (_fixed(pool), _by_score(beyond, counted, lexical))
    matching = _things(ranked.matching & set(pool), groups) + total
    return Listing(parts, _things(pool, groups) + total, matching, lexical)


def _things(ids: Iterable[int], groups: Mapping[int, int]) -> int:
    """How many things the items are, variants of one counted once."""
    return len({groups.get(pk, -pk) for pk in ids})


def _by_score(query: Query, count: int, lexical: Lexical) -> Part:
    def read(offset: int, limit: int) -> Ids:
        return list(lexical.top(lexical.scored(query), offset + limit).scores)[offset:]

    return Part(count, read)


def _sorted(sort: Sort, lexical: Lexical, query: Query, popular: Sequence[int]) -> Listing:
    parts = tuple(_ordered(sort, lexical, query, popular))
    grouped = lexical.opened.grouped
    total = lexical.distinct(query) if grouped else sum(part.count for part in parts)
    return Listing(parts, total, total, lexical)


def _ordered(sort: Sort, lexical: Lexical, query: Query, popular: Sequence[int]) -> Iterator[Part]:
    match sort:
        case "price" | "-price":
            priced = Query.range_query(lexical.schema, "price", FieldType.Integer, 0, MOST_PRICE)
            unpriced = Query.term_query(lexical.schema, "price", NO_PRICE, "basic")
            order = Order.Asc if sort == "price" else Order.Desc
            yield _by_field("price", order, lexical, _both(query, priced))
            yield _by_field("item", Order.Asc, lexical, _both(query, unpriced))
        case _:
            if sort == "popular" and popular:
                selling = Query.term_set_query(lexical.schema, "item", list(popular))
                here = set(lexical.ids(_both(query, selling), len(popular)))
                first = [pk for pk in popular if pk in here]
                yield _fixed(first)
                query = less(query, lexical, first)
            yield _by_field("created", Order.Desc, lexical, query)


def _both(one: Query, other: Query) -> Query:
    return Query.boolean_query([(Occur.Must, one), (Occur.Must, other)])


def _by_field(field: str, order: Order, lexical: Lexical, query: Query) -> Part:
    searcher = lexical.opened.searcher

    def read(offset: int, limit: int) -> Ids:
        found = searcher.search(
            query, limit, count=False, order_by_field=field, offset=offset, order=order
        )
        addresses = [address for _, address in found.hits]
        return [int(pk or 0) for pk in searcher.fast_field_values("item", addresses)]

    return Part(lexical.count(query), read)


def _fixed(ids: Ids) -> Part:
    return Part(len(ids), lambda offset, limit: ids[offset : offset + limit])


def _sorted_live(sort: Sort, pool: Ids) -> Ids:
    cells = prices_and_ages(pool)
    pool = [pk for pk in pool if pk in cells]
    if sort == "newest":
        return sorted(pool, key=lambda pk: (cells[pk][1], pk), reverse=True)
    sign = 1 if sort == "price" else -1
    unpriced = [pk for pk in pool if cells[pk][0] is None]
    prices = {pk: price for pk in pool if (price := cells[pk][0]) is not None}
    return sorted(prices, key=lambda pk: (sign * prices[pk], pk)) + sorted(unpriced)
