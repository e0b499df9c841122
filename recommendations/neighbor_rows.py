"""What goes with each item, as rows of a version: written by COPY, for a fit and for updates."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection

from recommendations.copying import copy_in
from recommendations.models import RankerVersion
from recommendations.packed import INTEGER, REAL, packed
from recommendations.training.log import IntArray

Weights = npt.NDArray[np.floating[Any]]

COMPLEMENT_COLUMNS = {
    "ranker_id": "int8",
    "item_id": "int8",
    "neighbor_ids": "bytea",
    "weights": "bytea",
}
NEIGHBOR_COLUMNS = {**COMPLEMENT_COLUMNS, "repeat": "float4"}


def write_neighbors(
    version: RankerVersion, rows: Iterable[tuple[int, IntArray, Weights, float]]
) -> None:
    """Add rows: item id, ids of its neighbors, their weights, and how likely it is bought again."""
    copy_in(
        "recommendations_itemneighbors",
        NEIGHBOR_COLUMNS,
        (
            (version.pk, item, packed(others, INTEGER), packed(weights, REAL), repeat)
            for item, others, weights, repeat in rows
        ),
    )
    drop_rows_of_no_item("recommendations_itemneighbors", version)


def write_complements(
    version: RankerVersion, rows: Iterable[tuple[int, IntArray, Weights]]
) -> None:
    """Add rows: item id, ids of its complements, their weights."""
    copy_in(
        "recommendations_itemcomplements",
        COMPLEMENT_COLUMNS,
        (
            (version.pk, item, packed(others, INTEGER), packed(weights, REAL))
            for item, others, weights in rows
        ),
    )
    drop_rows_of_no_item("recommendations_itemcomplements", version)


def drop_rows_of_no_item(table: str, version: RankerVersion) -> None:
    """Of items deleted while the rows were made, which would break the foreign key at commit."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {table} r WHERE ranker_id = %s"  # noqa: S608  # a name of our own
            " AND NOT EXISTS (SELECT 1 FROM catalog_item i WHERE i.id = r.item_id)",
            [version.pk],
        )


def delete_rows(table: str, version: RankerVersion, items: IntArray) -> None:
    """Without reading them first, which Django does for rows that signals may speak of."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {table} WHERE ranker_id = %s"  # noqa: S608  # a name of our own
            " AND item_id = ANY(%s::bigint[])",
            [version.pk, items.tolist()],
        )
