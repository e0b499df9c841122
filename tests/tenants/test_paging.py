"""Paging through big tables: the right rows, and no counting of what cannot be seen."""

from datetime import timedelta

import pytest
from django.core.paginator import Paginator
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from profiles.models import Event, Shopper
from tenants import paging
from tenants.database.roles import as_owner
from tenants.models import Tenant
from tenants.paging import EstimatingPaginator, estimated_rows
from tests.make import make_event, make_item, make_shopper


def make_shoppers(number: int) -> None:
    Shopper.objects.bulk_create(Shopper(external_id=f"many-{n:05}") for n in range(number))


def analyze(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {table}")


def test_a_page_holds_what_it_would_hold_without_the_short_cut(tenant: Tenant) -> None:
    make_shoppers(25)
    rows = Shopper.objects.exclude(external_id="many-00003").order_by("-external_id")
    ours, plain = EstimatingPaginator(rows, 10), Paginator(rows, 10)
    assert ours.num_pages == plain.num_pages == 3
    for number in plain.page_range:
        assert list(ours.page(number)) == list(plain.page(number))


def test_a_small_table_is_counted_and_a_big_one_estimated(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_shoppers(300)
    analyze("profiles_shopper")
    counted = EstimatingPaginator(Shopper.objects.order_by("pk"), 10)
    assert counted.count == 300
    assert counted.count_in_words == "300"

    monkeypatch.setattr(paging, "EXACT_BELOW", 200)
    estimated = EstimatingPaginator(Shopper.objects.order_by("pk"), 10)
    with CaptureQueriesContext(connection) as queries:
        assert estimated.count_in_words == "about 300"
    assert len(queries) == 1, "the catalog of tables, and not the table"


def test_a_filter_is_counted_up_to_a_limit(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "EXACT_BELOW", 20)
    make_shoppers(50)
    few = EstimatingPaginator(Shopper.objects.filter(external_id__lt="many-00007"), 10)
    assert few.count_in_words == "7"
    many = EstimatingPaginator(Shopper.objects.exclude(external_id=None), 10)
    assert many.count == 20
    assert many.count_in_words == "more than 20"


def test_the_estimate_of_a_partitioned_table_sums_its_partitions(tenant: Tenant) -> None:
    shopper, item = make_shopper(), make_item()
    for days in (1, 40, 80):
        make_event(shopper, item, at=timezone.now() - timedelta(days=days))
    assert estimated_rows(Event) is None, "nobody has analyzed it yet"
    analyze("profiles_event")
    assert estimated_rows(Event) == Event.stored.count() == 3


def test_the_estimate_grows_with_the_table_before_it_is_analyzed_again(tenant: Tenant) -> None:
    # Tests before left pages with room, if a vacuum has come by, and then nothing grows.
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE profiles_shopper CASCADE")
    make_shoppers(2_000)
    analyze("profiles_shopper")
    Shopper.objects.bulk_create(Shopper(external_id=f"more-{n}") for n in range(6_000))
    estimate = estimated_rows(Shopper)
    assert estimate is not None
    assert 6_000 < estimate < 10_000
