"""Rows into the database and out of it in binary: what went in comes out."""

from importlib import import_module

import numpy as np
import pytest
from django.db import connection

from recommendations.copying import copied_rows
from recommendations.models import ItemNeighbors, RankerVersion
from recommendations.neighbor_rows import delete_rows, write_neighbors
from tenants.database.roles import as_owner
from tenants.models import Tenant
from tests.make import make_item

TYPES = ("int8", "float4")


@pytest.mark.parametrize("length", [0, 1, 100])
def test_arrays_are_stored_as_they_are(tenant: Tenant, length: int) -> None:
    version, item = RankerVersion.objects.create(), make_item()
    others = np.arange(length, dtype=np.int64) * 7
    weights = np.linspace(0, 1, length, dtype=np.float32)
    write_neighbors(version, [(item.pk, others, weights, 1.5)])
    row = ItemNeighbors.objects.get()
    assert (row.ranker_id, row.item_id, row.repeat) == (version.pk, item.pk, 1.5)
    assert row.neighbor_ids == others.tolist()
    assert row.weights == pytest.approx(weights.tolist(), rel=1e-6)


def test_what_older_versions_kept_as_arrays_is_packed_alike(tenant: Tenant) -> None:
    version, item = RankerVersion.objects.create(), make_item()
    others, weights = [7, 2**31 - 1, 300], [0.5, 0.1, 1e-9]
    table = "recommendations_itemneighbors"
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(
            f"ALTER TABLE {table} DROP neighbor_ids, DROP weights,"
            " ADD neighbor_ids int4[], ADD weights float4[]"
        )
        cursor.execute(
            f"INSERT INTO {table} (ranker_id, item_id, repeat, neighbor_ids, weights)"
            " VALUES (%s, %s, 1, %s, %s), (%s, %s, 1, '{}', '{}')",
            [version.pk, item.pk, others, weights, version.pk, make_item().pk],
        )
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # or the table is still in use
        migration = import_module("recommendations.migrations.0012_packed_neighbors")
        cursor.execute(migration.PACK.format(table=table))
    rows = [(row.neighbor_ids, row.weights) for row in ItemNeighbors.objects.order_by("item")]
    assert rows == [(others, pytest.approx(weights)), ([], [])]


def test_rows_come_out_with_their_types_and_none_of_no_ids(tenant: Tenant) -> None:
    version, item = RankerVersion.objects.create(), make_item()
    write_neighbors(version, [(item.pk, np.array([3]), np.array([0.5]), 0.25)])
    rows = ItemNeighbors.objects.values_list("item_id", "repeat")
    assert list(copied_rows(rows, types=TYPES)) == [(item.pk, 0.25)]
    assert list(copied_rows(rows.filter(item__in=[]), types=TYPES)) == []


def test_rows_of_an_item_that_is_gone_are_left_out(tenant: Tenant) -> None:
    version, item = RankerVersion.objects.create(), make_item()
    gone = item.pk + 1_000
    nothing = np.array([], dtype=np.int64), np.array([], dtype=np.float32)
    write_neighbors(version, [(item.pk, *nothing, 1.0), (gone, *nothing, 1.0)])
    assert ItemNeighbors.objects.get().item_id == item.pk
    delete_rows("recommendations_itemneighbors", version, np.array([gone, item.pk]))
    assert not ItemNeighbors.objects.exists()
