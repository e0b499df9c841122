"""Everything found, as one list in the order asked for, of which a page is read.

A list is a row of parts, each with its own order: the pool of a text and then what else has every
word; what has a price and then what has none; what sells and then the newest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tantivy import FieldType, Occur, Order, Query

from catalog.search.lexical import MOST_PRICE, Lexical
from catalog.search.ranked import Ranked, without
from catalog.search.schema import NO_PRICE
from catalog.search.values import SearchRequest, Sort

Ids = list[int]


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the items found: how many, and how to read them from a place on."""

    count: int
    read: Callable[[int, int], Ids]


@dataclass(frozen=True, slots=True)
class Listing:
    """Parts, one after the other."""

    parts: tuple[Part, ...]

    @property
    def total(self) -> int:
        return sum(part.count for part in self.parts)

    def page(self, offset: int, limit: int) -> Ids:
        found: Ids = []
        for part in self.parts:
            if offset < part.count and len(found) < limit:
                found += part.read(offset, min(limit - len(found), part.count - offset))
            offset = max(0, offset - part.count)
        return found


def of_text(request: SearchRequest, ranked: Ranked) -> Listing:
    """What a text found. By relevance, that is all that has to do with it; in any other order only
    what has every word, if there is any: the nearly right would come first otherwise."""
    if request.sort == "relevance":
        return Listing((_fixed(list(ranked.pool)), _by_score(ranked)))
    if ranked.has_every_word:
        dropped = without(ranked.every_word, ranked.lexical, list(ranked.dropped))
        return _sorted(request.sort, ranked.lexical, dropped, request.popular)
    if request.sort == "popular":
        places = {pk: place for place, pk in enumerate(request.popular)}
        return Listing((_fixed(sorted(ranked.pool, key=lambda pk: places.get(pk, len(places)))),))
    return Listing((_fixed(_sorted_live(request.sort, ranked)),))


def of_filters(request: SearchRequest, lexical: Lexical) -> Listing:
    """What the filters leave; without another order, what sells comes first."""
    sort: Sort = "popular" if request.sort == "relevance" else request.sort
    return _sorted(sort, lexical, lexical.filtered(), request.popular)


def _by_score(ranked: Ranked) -> Part:
    beyond = ranked.beyond_pool()
    scored = ranked.lexical.scored(beyond)

    def read(offset: int, limit: int) -> Ids:
        return list(ranked.lexical.top(scored, offset + limit).scores)[offset:]

    return Part(ranked.lexical.count(beyond) if ranked.strict is None else 0, read)


def _sorted(sort: Sort, lexical: Lexical, query: Query, popular: Sequence[int]) -> Listing:
    match sort:
        case "price" | "-price":
            priced = Query.range_query(lexical.schema, "price", FieldType.Integer, 0, MOST_PRICE)
            unpriced = Query.term_query(lexical.schema, "price", NO_PRICE, "basic")
            order = Order.Asc if sort == "price" else Order.Desc
            return Listing(
                (
                    _by_field("price", order, lexical, _both(query, priced)),
                    _by_field("item", Order.Asc, lexical, _both(query, unpriced)),
                )
            )
        case _:
            newest = _by_field("created", Order.Desc, lexical, query)
            if sort == "newest" or not popular:
                return Listing((newest,))
            selling = Query.term_set_query(lexical.schema, "item", list(popular))
            here = set(lexical.ids(_both(query, selling), len(popular)))
            first = [pk for pk in popular if pk in here]
            rest = without(query, lexical, first)
            return Listing((_fixed(first), _by_field("created", Order.Desc, lexical, rest)))


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


def _sorted_live(sort: Sort, ranked: Ranked) -> Ids:
    live = ranked.live
    if sort == "newest":
        return sorted(ranked.pool, key=lambda pk: (live[pk].created_at, pk), reverse=True)
    sign = 1 if sort == "price" else -1
    unpriced = [pk for pk in ranked.pool if live[pk].price is None]
    prices = {pk: price for pk in ranked.pool if (price := live[pk].price) is not None}
    return sorted(prices, key=lambda pk: (sign * prices[pk], pk)) + sorted(unpriced)
