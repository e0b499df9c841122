"""Searching in the tables alone, as it is done while there is no index."""

from decimal import Decimal

import pytest

from catalog.search.relational import find_in_tables
from catalog.search.values import Filter, Rescue, SearchRequest, Sort
from tenants.models import Tenant
from tests.make import make_item


def found(text: str = "", *filters: Filter, sort: Sort = "relevance") -> list[int]:
    request = SearchRequest(text=text, filters=filters, sort=sort)
    return [hit.item_id for hit in find_in_tables(request).hits]


def test_all_words_come_before_some_and_those_before_misspelled_ones(tenant: Tenant) -> None:
    lamp = make_item(title="Oak desk lamp")
    shade = make_item(title="Lamp shade of linen")
    make_item(title="Chair")
    assert found("desk lamp") == [lamp.pk]
    some = find_in_tables(SearchRequest(text="green lamp"))
    assert {hit.item_id for hit in some.hits} == {lamp.pk, shade.pk}
    assert some.rescues == (Rescue.SOME_WORDS,)
    assert find_in_tables(SearchRequest(text="schade")).rescues == (Rescue.SPELLING,)
    assert found("") == [lamp.pk, shade.pk, shade.pk + 1]


def test_what_is_sold_out_or_archived_is_not_found_unless_asked_for(tenant: Tenant) -> None:
    here = make_item(title="Lamp one")
    gone = make_item(title="Lamp two", stock=0)
    assert found("lamp") == [here.pk]
    assert set(found("lamp", Filter("availability", ("in_stock", "sold_out")))) == {
        here.pk,
        gone.pk,
    }
    assert found("lamp", Filter("availability", ("sold_out",))) == [gone.pk]


def test_filters_hold_together_and_each_can_be_negated(tenant: Tenant) -> None:
    red = make_item(
        title="Lamp", price="10", attributes={"color": ["Red", "black"], "watts": 40}, brand="Acme"
    )
    blue = make_item(title="Lamp", price="30", attributes={"color": "blue", "watts": "60"})
    plain = make_item(title="Lamp", price="20", category_path=("Home", "Light"))
    color = Filter("attributes.color", ("RED",))
    assert found("lamp", color) == [red.pk]
    assert found("lamp", Filter("attributes.color", ("red",), negated=True)) == [blue.pk, plain.pk]
    assert found("", Filter("price", at_least=Decimal(20))) == [blue.pk, plain.pk]
    assert found("", Filter("price", at_most=Decimal(20)), color) == [red.pk]
    assert found("", Filter("attributes.watts", at_least=Decimal("40.5"))) == [blue.pk]
    assert found("", Filter("category", ("light",))) == [plain.pk]
    assert found("", Filter("category", ("home > light",))) == [plain.pk]
    assert found("", Filter("brand", ("acme", "other"))) == [red.pk]
    assert found("", sort="price") == [red.pk, plain.pk, blue.pk]
    assert found("", sort="-price") == [blue.pk, plain.pk, red.pk]
    assert found("", sort="newest") == [plain.pk, blue.pk, red.pk]


def test_facets_count_what_is_found_and_their_own_filter_does_not_narrow_them(
    tenant: Tenant,
) -> None:
    for number, color in enumerate(["red", "Red", "blue", "green"]):
        make_item(
            title="Lamp", attributes={"color": color, "watts": number}, price=str(number * 10 + 5)
        )
    request = SearchRequest(
        text="lamp",
        filters=(Filter("attributes.color", ("red",)),),
        facets=("attributes.color", "attributes.watts", "price", "availability"),
    )
    results = find_in_tables(request)
    assert results.total == 2
    facets = {facet.field: facet for facet in results.facets}
    colors, watts = facets["attributes.color"], facets["attributes.watts"]
    price, availability = facets["price"], facets["availability"]
    assert [(v.value.lower(), v.count) for v in colors.values] == [
        ("red", 2),
        ("blue", 1),
        ("green", 1),
    ]
    assert (watts.least, watts.most) == (Decimal(0), Decimal(1))
    assert sum(r.count for r in price.ranges) == 2
    assert [(v.value, v.count) for v in availability.values] == [("in_stock", 2)]


@pytest.mark.parametrize(
    "given",
    [
        {"field": "color", "values": ("red",)},
        {"field": "attributes.", "values": ("red",)},
        {"field": "brand"},
        {"field": "brand", "at_least": Decimal(1)},
        {"field": "price", "values": ("cheap",)},
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"field|value|number|price"):
        Filter(**given)  # type: ignore[arg-type]


def test_what_is_written_in_sql_or_patterns_is_only_text(tenant: Tenant) -> None:
    make_item(title="Lamp")
    for text in ("'; DROP TABLE catalog_item", "%", "lamp.*", "(lamp", "\\", "l%mp", "🪔" * 300):
        find_in_tables(SearchRequest(text=text, facets=("brand",)))
    assert found("q.mp") == []
