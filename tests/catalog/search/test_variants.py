"""Variants of one thing in a search: one of them is listed, and the total counts them once."""

import pytest

from catalog.search.find import find
from catalog.search.indexing import update_index
from catalog.search.relational import find_in_tables
from catalog.search.values import Filter, SearchRequest, Sort
from tenants.models import Tenant
from tests.make import make_item

pytestmark = pytest.mark.usefixtures("index_dir")

ANY_STOCK = Filter("availability", ("in_stock", "sold_out"))
SORTS: tuple[Sort, ...] = ("relevance", "price", "-price", "newest", "popular")


def test_the_most_relevant_variant_stands_for_its_group(tenant: Tenant) -> None:
    make_item(title="Trail shoe in many colors for long days", group_id="shoe")
    best = make_item(title="Trail shoe", group_id="shoe")
    other = make_item(title="Trail shoe for the road and the woods")
    update_index()
    results = find(SearchRequest("trail shoe"))
    assert {hit.item_id for hit in results.hits} == {best.pk, other.pk}
    assert results.hits[0].item_id == best.pk
    assert results.total == 2


def test_a_variant_that_can_be_bought_is_preferred_to_a_better_one_that_cannot(
    tenant: Tenant,
) -> None:
    make_item(title="Trail shoe", group_id="shoe", stock=0)
    buyable = make_item(title="Trail shoe in red for long days", group_id="shoe", stock=3)
    gone = make_item(title="Trail shoe old", stock=0)
    update_index()
    assert [hit.item_id for hit in find(SearchRequest("trail shoe")).hits] == [buyable.pk]
    everything = find(SearchRequest("trail shoe", (ANY_STOCK,)))
    assert {hit.item_id for hit in everything.hits} == {buyable.pk, gone.pk}
    assert everything.total == 2


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("text", ["lamp", ""])
def test_no_group_is_on_two_pages_and_the_total_is_what_can_be_paged_to(
    tenant: Tenant, sort: Sort, text: str
) -> None:
    for number in range(330):
        group = f"group {number % 60}" if number % 3 else ""
        make_item(title=f"Lamp {number % 7}", group_id=group, price=str(number % 13))
    update_index()
    groups = {number % 60 for number in range(330) if number % 3}
    paged = [
        hit.item_id
        for offset in range(0, 200, 40)
        for hit in find(SearchRequest(text, sort=sort, offset=offset, limit=40)).hits
    ]
    assert len(paged) == len(set(paged)) == 110 + len(groups)
    assert find(SearchRequest(text, sort=sort, limit=1)).total == len(paged)


def test_the_cheapest_variant_stands_for_its_group_by_price(tenant: Tenant) -> None:
    dear = make_item(title="Lamp large", group_id="lamp", price="30")
    cheap = make_item(title="Lamp small", group_id="lamp", price="10")
    between = make_item(title="Lamp", price="20")
    update_index()
    ascending = find(SearchRequest("lamp", sort="price")).hits
    assert [hit.item_id for hit in ascending] == [cheap.pk, between.pk]
    descending = find(SearchRequest("lamp", sort="-price")).hits
    assert [hit.item_id for hit in descending] == [dear.pk, between.pk]


def test_an_item_that_leaves_its_group_is_listed_again(tenant: Tenant) -> None:
    one = make_item(title="Lamp one", group_id="lamp")
    make_item(title="Lamp two", group_id="lamp")
    update_index()
    assert find(SearchRequest("lamp")).total == 1
    one.group_id = ""
    one.save()
    update_index()
    assert find(SearchRequest("lamp")).total == 2


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("text", ["lamp", "green lamp", ""])
def test_without_an_index_no_group_is_on_two_pages_either(
    tenant: Tenant, sort: Sort, text: str
) -> None:
    for number in range(60):
        group = f"{number % 10}" if number % 3 else ""  # as ids are written, too
        make_item(title=f"Lamp {number % 7}", group_id=group, price=str(number % 13))
    groups = {number % 10 for number in range(60) if number % 3}
    paged = [
        hit.item_id
        for offset in range(0, 40, 8)
        for hit in find_in_tables(SearchRequest(text, sort=sort, offset=offset, limit=8)).hits
    ]
    assert len(paged) == len(set(paged)) == 20 + len(groups)
    assert find_in_tables(SearchRequest(text, sort=sort, limit=1)).total == len(paged)


def test_without_an_index_the_same_variant_stands_for_its_group(tenant: Tenant) -> None:
    dear = make_item(title="Lamp large", group_id="lamp", price="30")
    cheap = make_item(title="Lamp small", group_id="lamp", price="10")
    make_item(title="Lamp", group_id="lamp", price="20", stock=0)

    def listed(sort: Sort) -> list[int]:
        return [hit.item_id for hit in find_in_tables(SearchRequest("lamp", sort=sort)).hits]

    assert listed("price") == [cheap.pk]
    assert listed("-price") == [dear.pk]
    everything = find_in_tables(SearchRequest("lamp", (ANY_STOCK,)))
    assert [hit.item_id for hit in everything.hits] in ([dear.pk], [cheap.pk])
    assert everything.total == 1
