"""Filters and facets of the index, against a plain loop over the same items."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.search.find import find
from catalog.search.indexing import update_index
from catalog.search.relational import find_in_tables
from catalog.search.values import Facet, Filter, SearchRequest, SearchResults
from tenants.models import Tenant
from tests.make import make_item

COLORS = ("red", "Red", "blue", "GREEN", "light blue")
BRANDS = ("Acme", "acme", "Zenith", "")
PATHS: tuple[tuple[str, ...], ...] = ((), ("Home",), ("Home", "Light"), ("Garden", "Light"))
PRICES = (None, "0", "0.01", "9.99", "10", "250", "10000")


@dataclass(frozen=True)
class Planted:
    """One item as it was planted, for the plain loop."""

    pk: int
    title: str
    brand: str
    path: tuple[str, ...]
    colors: tuple[str, ...]
    size: float | None
    price: Decimal | None
    in_stock: bool


def plant() -> list[Planted]:
    planted = []
    for number in range(90):
        colors = COLORS[number % 5 : number % 5 + 1 + (number % 4 == 0)]
        size = (None, -2.5, 7, 40, "41")[number % 7 % 5]
        price = PRICES[number * 5 % 7]
        attributes: dict[str, Any] = {"color": list(colors) if len(colors) > 1 else colors[0]}
        if size is not None:
            attributes["shoe size"] = size
        item = make_item(
            title=("Lamp", "Desk lamp", "Chair")[number % 3],
            brand=BRANDS[number % 4],
            category_path=PATHS[number * 3 % 4],
            attributes=attributes,
            price=price or "1",
            stock=(0, 5, None)[number % 3 if number % 5 == 0 else 1],
        )
        if price is None:
            item.offer.delete()
        planted.append(
            Planted(
                item.pk,
                item.title,
                item.brand,
                PATHS[number * 3 % 4],
                tuple(colors),
                None if size is None else float(size),
                None if price is None else Decimal(price),
                price is None or item.offer.stock != 0,
            )
        )
    return planted


def holds(each: Filter, item: Planted) -> bool:
    values = {value.lower() for value in each.values}
    bounds = each.at_least, each.at_most
    match each.field:
        case "availability":
            found = ("in_stock" if item.in_stock else "sold_out") in values
        case "brand":
            found = item.brand.lower() in values
        case "category":
            paths = [" > ".join(item.path[: depth + 1]) for depth in range(len(item.path))]
            found = bool(values & {name.lower() for name in (*item.path, *paths)})
        case "attributes.color":
            found = bool(values & {color.lower() for color in item.colors})
        case "price":
            found = _within(item.price, bounds)
        case _:
            found = _within(None if item.size is None else Decimal(item.size), bounds)
    return found != each.negated


def _within(number: Decimal | None, bounds: tuple[Decimal | None, Decimal | None]) -> bool:
    least, most = bounds
    return (
        number is not None
        and (least is None or number >= least)
        and (most is None or number <= most)
    )


def several(field: str, values: tuple[str, ...]) -> st.SearchStrategy[Filter]:
    chosen = st.lists(st.sampled_from(values), min_size=1, max_size=2).map(tuple)
    return st.builds(Filter, st.just(field), values=chosen, negated=st.booleans())


numbers = st.sampled_from([Decimal(n) for n in ("-3", "0", "0.01", "7", "9.99", "40.5", "300")])
ranges = st.one_of(
    st.builds(
        Filter,
        st.sampled_from(["price", "attributes.shoe size"]),
        at_least=numbers,
        at_most=st.none() | numbers,
        negated=st.booleans(),
    ),
    st.builds(Filter, st.just("price"), at_most=numbers, negated=st.booleans()),
)
filters = st.lists(
    st.one_of(
        several("brand", ("ACME", "zenith", "other")),
        several("category", ("light", "home", "Home > Light", "garden")),
        several("attributes.color", ("red", "Light Blue", "black")),
        several("availability", ("in_stock", "sold_out")),
        ranges,
    ),
    max_size=3,
    unique_by=lambda each: each.field,
).map(tuple)

FIELDS = ("brand", "category", "attributes.color", "attributes.shoe size", "price", "availability")


def kept(items: list[Planted], chosen: tuple[Filter, ...], *, but: str = "") -> list[Planted]:
    asked = any(each.field == "availability" for each in chosen)
    return [
        item
        for item in items
        if (asked or item.in_stock)
        and all(holds(each, item) for each in chosen if each.field != but)
    ]


def counted(facet: Facet) -> dict[str, int]:
    return {value.value.lower(): value.count for value in facet.values}


def expected_counts(field: str, items: list[Planted]) -> dict[str, int]:
    read: dict[str, Callable[[Planted], set[str]]] = {
        "brand": lambda item: {item.brand.lower()} - {""},
        "category": lambda item: {name.lower() for name in item.path},
        "attributes.color": lambda item: {color.lower() for color in item.colors},
        "availability": lambda item: {"in_stock" if item.in_stock else "sold_out"},
    }
    counts: dict[str, int] = {}
    for item in items:
        for value in read[field](item):
            counts[value] = counts.get(value, 0) + 1
    return counts


@pytest.mark.parametrize("way", [find, find_in_tables])
def test_filters_and_facets_are_those_of_a_plain_loop(
    tenant: Tenant, index_dir: Path, way: Callable[[SearchRequest], SearchResults]
) -> None:
    items = plant()
    update_index()

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(chosen=filters, text=st.sampled_from(["", "lamp"]))
    def check(chosen: tuple[Filter, ...], text: str) -> None:
        results = way(SearchRequest(text, chosen, limit=1_000, facets=FIELDS))
        assert results.fallbacks == ()
        having = [item for item in items if text in item.title.lower()]
        wanted = kept(having, chosen)
        if not wanted and text:
            return  # rescued by other means
        assert {hit.item_id for hit in results.hits} == {item.pk for item in wanted}
        assert results.total == len(wanted)
        for facet in results.facets:
            among = kept(having, chosen, but=facet.field)
            if facet.field == "price":
                prices = [item.price for item in among if item.price is not None]
                assert (facet.least, facet.most) == (
                    min(prices, default=None),
                    max(prices, default=None),
                )
                for each in facet.ranges:
                    assert each.count == sum(
                        (each.at_least is None or price >= each.at_least)
                        and (each.below is None or price < each.below)
                        for price in prices
                    )
            elif facet.field == "attributes.shoe size":
                sizes = [Decimal(item.size) for item in among if item.size is not None]
                assert (facet.least, facet.most) == (
                    min(sizes, default=None),
                    max(sizes, default=None),
                )
            else:
                assert counted(facet) == expected_counts(facet.field, among), facet.field

    check()
