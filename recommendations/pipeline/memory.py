"""What training and embedding know about the items of a request's signals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache

import numpy as np
import numpy.typing as npt

from catalog.vectors import CHANGED_AT, find_vectors, open_vectors
from profiles.signals import Signal, SignalKind
from recommendations.hints import Hint
from recommendations.pipeline.arrays import (
    Matrix,
    Vector,
    binary_cursor,
    half_vectors,
    integers,
    lengths,
    reals,
)
from recommendations.scoring import CONTENT_WINDOW_DAYS
from recommendations.segments import SEPARATOR

CONTENT_WINDOW = timedelta(days=CONTENT_WINDOW_DAYS)

PAGE_KINDS = frozenset({SignalKind.CONTEXT_ITEM, SignalKind.CART_ITEM})


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of the items of a request's signals.

    All their neighbors in three parallel arrays: `items[n]` goes with the item
    `learned[owners[n]]` by `weights[n]`. `repeat` is keyed by item. `vectors` has a row for each
    item whose content counts, in the order of `embedded`. `named` has external id and title,
    `groups` the variant group of items that have one. `paths` holds category paths, joined by
    SEPARATOR, if they were asked for.
    """

    learned: tuple[int, ...]
    owners: npt.NDArray[np.int64]
    items: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]
    repeat: Mapping[int, float]
    embedded: Mapping[int, int]
    vectors: Matrix
    named: Mapping[int, tuple[str, str]]
    paths: Mapping[int, str] = field(default_factory=dict)
    groups: Mapping[int, str] = field(default_factory=dict)


NOTHING: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
EMPTY = Memory((), NOTHING, NOTHING, np.zeros(0), {}, {}, np.zeros((0, 0)), {})

RECALL = """
    SELECT i.id, i.external_id, i.title, {ids}, {weights},
           n.repeat, {vector}, i.group_id,
           CASE WHEN %(with_path)s THEN array_to_string(i.category_path, %(separator)s) END
    FROM unnest(%(items)s::bigint[], %(content)s::boolean[]) AS h (item_id, with_content)
    JOIN catalog_item i ON i.id = h.item_id
    LEFT JOIN recommendations_itemneighbors n
        ON n.item_id = h.item_id AND n.ranker_id = %(ranker)s
    {joined}
"""
NEIGHBORS = {"ids": "n.neighbor_ids", "weights": "n.weights"}
# An item that was never bought together with another speaks through its neighbors here, too.
COMPLEMENTS = {
    "ids": "coalesce(c.neighbor_ids, n.neighbor_ids)",
    "weights": "coalesce(c.weights, n.weights)",
}
WITH_COMPLEMENTS = """LEFT JOIN recommendations_itemcomplements c
        ON c.item_id = h.item_id AND c.ranker_id = %(ranker)s"""
WITH_VECTORS = """
    LEFT JOIN catalog_itemembedding e ON h.with_content AND e.item_id = h.item_id"""


@cache
def statement(*, complements: bool, from_file: bool) -> str:
    """The statement for a case. Where vectors are in a file, it says when an item was changed."""
    return RECALL.format(
        **(COMPLEMENTS if complements else NEIGHBORS),
        vector=f"CASE WHEN h.with_content THEN {CHANGED_AT} END"
        if from_file
        else "halfvec_send(e.vector)",
        joined=(WITH_COMPLEMENTS if complements else "") + ("" if from_file else WITH_VECTORS),
    )


def content_counts(signal: Signal, now: float) -> bool:
    """Whether a signal takes part in content scoring: a question of this signal alone."""
    if signal.name is not None:
        return False
    return signal.kind in PAGE_KINDS or now - signal.last_at <= CONTENT_WINDOW.total_seconds()


def recall(
    signals: Sequence[Signal],
    *,
    ranker_version: int | None,
    now: float,
    content: bool,
    categories: bool = False,
    complements: bool = False,
) -> Memory:
    """Names, neighbors, vectors and (asked for) categories of the signals' items. One query,
    whatever their number; another for vectors that the file of them lacks.

    With `complements` the neighbors are what is bought together with an item, instead of what the
    same shoppers choose.
    """
    wanted: dict[int, bool] = {}
    for signal in signals:
        if signal.name is not None:
            continue
        counts = content and content_counts(signal, now)
        wanted[signal.item] = wanted.get(signal.item, False) or counts
    if not wanted:
        return EMPTY
    opened = open_vectors() if content else None
    with binary_cursor() as cursor:
        cursor.execute(
            statement(complements=complements, from_file=opened is not None),
            {
                "items": list(wanted),
                "content": list(wanted.values()),
                "ranker": ranker_version,
                "with_path": categories,
                "separator": SEPARATOR,
            },
        )
        rows = cursor.fetchall()
    learned = [row for row in rows if row[3] is not None]
    heard = [(row[0], row[6]) for row in rows if row[6] is not None]
    if opened is not None:
        items, changed = [item for item, _ in heard], [at for _, at in heard]
        found = zip(items, find_vectors(opened, items, changed), strict=True)
        heard = [(item, vector) for item, vector in found if vector is not None]
    ids = [row[3] for row in learned]
    return Memory(
        learned=tuple(row[0] for row in learned),
        owners=np.repeat(np.arange(len(learned)), lengths(ids)),
        items=integers(ids),
        weights=reals([row[4] for row in learned]),
        repeat={row[0]: row[5] for row in learned if row[5] is not None},
        embedded={item: position for position, (item, _) in enumerate(heard)},
        vectors=half_vectors([vector for _, vector in heard]) if heard else EMPTY.vectors,
        named={row[0]: (row[1], row[2]) for row in rows},
        groups={row[0]: row[7] for row in rows if row[7]},
        paths={row[0]: row[8] for row in rows} if categories else {},
    )


def with_hints(memory: Memory, hints: Sequence[Hint]) -> Memory:
    """The memory with what goes with each hint, as if it were an item of the history."""
    if not hints:
        return memory
    known = len(memory.learned)
    owners = np.repeat(np.arange(known, known + len(hints)), [len(hint.items) for hint in hints])
    return replace(
        memory,
        learned=(*memory.learned, *(hint.number for hint in hints)),
        owners=np.concatenate([memory.owners, owners]),
        items=np.concatenate([memory.items, *(hint.items for hint in hints)]),
        weights=np.concatenate([memory.weights, *(hint.weights for hint in hints)]),
    )


@dataclass(frozen=True, slots=True)
class Content:
    """The signals that speak by content: their index and weight, and the rows of their vectors.

    `query` is the weighted sum of the vectors. Inner products with it are the sums of the
    signals' own inner products, which is what lets a nearest-neighbor search keep an exact ledger.
    """

    indices: list[int]
    weights: Vector
    vectors: Matrix

    @property
    def query(self) -> Vector:
        return np.asarray(self.weights @ self.vectors)


def content_of(
    signals: Sequence[Signal], weights: Sequence[float], memory: Memory, *, now: float
) -> Content | None:
    """What of the signals speaks by content; None when nothing does."""
    heard = [
        (index, weight, memory.embedded[signal.item])
        for index, (signal, weight) in enumerate(zip(signals, weights, strict=True))
        if weight and signal.item in memory.embedded and content_counts(signal, now)
    ]
    if not heard:
        return None
    rows = [row for _, _, row in heard]
    return Content(
        [index for index, _, _ in heard],
        np.array([weight for _, weight, _ in heard]),
        memory.vectors[rows],
    )
