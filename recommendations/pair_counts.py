"""What was counted, between the full fit and its updates: a row an item in the tenant's schema."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
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
    "popularity": "float8",
    "momentum": "float8",
    "frozen": "bool",
}

Row = tuple[int, IntArray, FloatArray, float, float, bool]
"""Item id, ids of the others, counts, popularity, momentum, frozen."""


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
    counts = ranker.pairs.counts
    bounds = counts.indptr
    write_rows(
        version,
        (
            (
                int(item),
                ranker.item_ids[counts.indices[bounds[row] : bounds[row + 1]]],
                counts.data[bounds[row] : bounds[row + 1]],
                float(ranker.pairs.popularity[row]),
                float(ranker.lean[row]),
                True,
            )
            for row, item in enumerate(ranker.item_ids.tolist())
        ),
    )
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


def read_counts(version: RankerVersion, items: IntArray, index: IntArray) -> sparse.csr_matrix:
    """The counts of some items, a row each in their order; columns are places in `index`.

    `index` is the rising ids of all items that occur.
    """
    rows = ItemPairs.objects.filter(ranker=version, item__in=items.tolist())
    stored = {
        item: (others, counts)
        for item, others, counts in copied_rows(
            rows.values_list("item_id", "others", "counts"), types=("int8", "bytea", "bytea")
        )
    }
    nothing = (b"", b"")
    parts = [stored.get(item, nothing) for item in items.tolist()]
    others = [np.frombuffer(part[0], IDS) for part in parts]
    counts = [np.frombuffer(part[1], COUNTS) for part in parts]
    row = np.repeat(np.arange(len(items)), [len(part) for part in others])
    other = np.concatenate([np.zeros(0), *others]).astype(np.int64)
    column = np.searchsorted(index, other)
    # An item that was deleted is in no index any more, and is left out here.
    there = np.isin(other, index)
    return sparse.csr_matrix(
        (np.concatenate([np.zeros(0), *counts])[there], (row[there], column[there])),
        shape=(len(items), len(index)),
    )


def write_rows(version: RankerVersion, rows: Iterable[Row]) -> None:
    """Add rows, by COPY. Rows of items that were deleted meanwhile are dropped again."""
    copy_in("recommendations_itempairs", COLUMNS, _sent(version, rows))
    drop_rows_of_no_item("recommendations_itempairs", version)


def _sent(version: RankerVersion, rows: Iterable[Row]) -> Iterator[tuple[object, ...]]:
    for item, others, counts, popularity, momentum, frozen in rows:
        yield (
            version.pk,
            item,
            others.astype(IDS).tobytes(),
            counts.astype(COUNTS).tobytes(),
            popularity,
            momentum,
            frozen,
        )
