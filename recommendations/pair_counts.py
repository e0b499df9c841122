"""What was counted, between the full fit and its updates: a row an item in the tenant's schema."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection
from scipy import sparse

from recommendations.copying import copied_rows, copy_in
from recommendations.models import ItemPairs, RankerVersion
from recommendations.neighbor_rows import drop_rows_of_no_item
from recommendations.training.log import IntArray
from recommendations.training.ranker import Ranker

FloatArray = npt.NDArray[np.float64]
IDS, COUNTS = np.dtype("<i4"), np.dtype("<f8")
COLUMNS = {
    "ranker_id": "int8",
    "item_id": "int8",
    "others": "bytea",
    "counts": "bytea",
    "more_others": "bytea",
    "more_counts": "bytea",
    "popularity": "float8",
    "momentum": "float8",
    "frozen": "bool",
}


@dataclass(frozen=True, slots=True)
class CountedItems:
    """Every item that a version knows, by rising id, with what multiplies counts towards it."""

    ids: IntArray
    popularity: FloatArray
    momentum: FloatArray
    frozen: npt.NDArray[np.bool_]


def start_counting(version: RankerVersion, ranker: Ranker, *, through: int) -> None:
    """Keep what a full fit counted, and note where updates go on: after the event `through`.

    `version.counting` is set, and saved by the caller.
    """
    frozen = np.ones(len(ranker.item_ids), dtype=np.bool_)
    known = CountedItems(ranker.item_ids, ranker.pairs.popularity, ranker.lean, frozen)
    ranker.pairs.counts.sort_indices()
    _insert(version, np.arange(len(known.ids)), ranker.pairs.counts, known)
    version.counting = {
        "average": ranker.pairs.average,
        "scale": ranker.scale,
        "through": through,
    }


def read_items(version: RankerVersion) -> CountedItems:
    rows = list(
        ItemPairs.objects.filter(ranker=version)
        .order_by("item_id")
        .values_list("item_id", "popularity", "momentum", "frozen")
    )
    return CountedItems(
        ids=np.array([row[0] for row in rows], dtype=np.int64),
        popularity=np.array([row[1] for row in rows], dtype=np.float64),
        momentum=np.array([row[2] for row in rows], dtype=np.float64),
        frozen=np.array([row[3] for row in rows], dtype=np.bool_),
    )


def read_counts(
    version: RankerVersion, items: IntArray, index: IntArray
) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """The counts of some items at the fit, and what to add since, a row each in their order.

    Columns are places in `index`, the rising ids of all items that occur.
    """
    rows = ItemPairs.objects.filter(ranker=version, item__in=items.tolist())
    columns = ("item_id", "others", "counts", "more_others", "more_counts")
    stored = {
        item: parts
        for item, *parts in copied_rows(
            rows.values_list(*columns), types=("int8", "bytea", "bytea", "bytea", "bytea")
        )
    }
    nothing = [b"", b"", b"", b""]
    parts = [stored.get(item, nothing) for item in items.tolist()]
    return (
        _matrix([(part[0], part[1]) for part in parts], index),
        _matrix([(part[2], part[3]) for part in parts], index),
    )


def _matrix(parts: Sequence[tuple[bytes, bytes]], index: IntArray) -> sparse.csr_matrix:
    other = np.frombuffer(b"".join([others for others, _ in parts]), IDS)
    counts = np.frombuffer(b"".join([counts for _, counts in parts]), COUNTS)
    lengths = np.array([len(others) // IDS.itemsize for others, _ in parts], dtype=np.int64)
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    column = np.searchsorted(index, other)
    # An item that was deleted is in no index any more, and is left out here.
    there = np.zeros(len(other), dtype=np.bool_)
    inside = column < len(index)
    there[inside] = index[column[inside]] == other[inside]
    if not there.all():
        bounds = np.concatenate([[0], np.cumsum(there)])[bounds]
        column, counts = column[there], counts[there]
    return sparse.csr_matrix((counts, column, bounds), shape=(len(parts), len(index)))


def write_more(
    version: RankerVersion, items: IntArray, more: sparse.csr_matrix, known: CountedItems
) -> None:
    """Store what to add to the counts of these items, a row each, and their popularity.

    Columns are places in `known`. Items that have no row yet get one.
    """
    stored = set(
        ItemPairs.objects.filter(ranker=version, item__in=items.tolist()).values_list(
            "item_id", flat=True
        )
    )
    is_stored = np.isin(items, list(stored))
    rows = np.flatnonzero(is_stored)
    sent = [_sent(more, row, known) for row in rows.tolist()]
    popularity = known.popularity[np.searchsorted(known.ids, items[rows])]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE recommendations_itempairs p"
            " SET more_others = c.others, more_counts = c.counts, popularity = c.popularity"
            " FROM unnest(%s::bigint[], %s::bytea[], %s::bytea[], %s::float8[])"
            " AS c(item, others, counts, popularity)"
            " WHERE p.ranker_id = %s AND p.item_id = c.item",
            [
                items[rows].tolist(),
                [others for others, _ in sent],
                [counts for _, counts in sent],
                popularity.tolist(),
                version.pk,
            ],
        )
    new = np.flatnonzero(~is_stored)
    _insert(version, np.searchsorted(known.ids, items[new]), more[new], known)


def _insert(
    version: RankerVersion, places: IntArray, counts: sparse.csr_matrix, known: CountedItems
) -> None:
    """Rows of the items in these places of `known`, by COPY, as a fit counted them."""

    def rows() -> Iterable[tuple[Any, ...]]:
        for row, place in enumerate(places.tolist()):
            yield (
                version.pk,
                int(known.ids[place]),
                *_sent(counts, row, known),
                b"",
                b"",
                float(known.popularity[place]),
                float(known.momentum[place]),
                bool(known.frozen[place]),
            )

    copy_in("recommendations_itempairs", COLUMNS, rows())
    drop_rows_of_no_item("recommendations_itempairs", version)


def _sent(counts: sparse.csr_matrix, row: int, known: CountedItems) -> tuple[bytes, bytes]:
    cells = slice(counts.indptr[row], counts.indptr[row + 1])
    others = known.ids[counts.indices[cells]]
    return others.astype(IDS).tobytes(), counts.data[cells].astype(COUNTS).tobytes()
