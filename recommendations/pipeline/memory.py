"""What training and embedding know about the items of a request's signals."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
from django.db import connection

from profiles.signals import Signal, SignalKind
from recommendations.pipeline.arrays import half_vector, integers, reals

CONTENT_WINDOW = timedelta(days=30)
"""Older events speak through the neighbors only: their vectors are not worth reading."""

PAGE_KINDS = frozenset({SignalKind.CONTEXT_ITEM, SignalKind.CART_ITEM})

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of the items of a request's signals.

    All their neighbors in three parallel arrays: `items[n]` goes with the item
    `learned[owners[n]]` by `weights[n]`. `repeat` and `vectors` are keyed by item; only those
    whose content counts have a vector.
    """

    learned: tuple[int, ...]
    owners: npt.NDArray[np.int64]
    items: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    repeat: Mapping[int, float]
    vectors: Mapping[int, Vector]


NO_NEIGHBORS = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
EMPTY = Memory((), NO_NEIGHBORS[0], *NO_NEIGHBORS, {}, {})

RECALL = """
    SELECT h.item_id, array_send(n.neighbor_ids), array_send(n.weights), n.repeat,
           halfvec_send(e.vector)
    FROM unnest(%s::bigint[], %s::boolean[]) AS h (item_id, with_content)
    LEFT JOIN recommendations_itemneighbors n ON n.item_id = h.item_id AND n.ranker_id = %s
    LEFT JOIN catalog_itemembedding e ON h.with_content AND e.item_id = h.item_id
"""


def content_counts(signal: Signal, now: float) -> bool:
    """Whether a signal takes part in content scoring: a question of this signal alone."""
    return signal.kind in PAGE_KINDS or now - signal.last_at <= CONTENT_WINDOW.total_seconds()


def recall(
    signals: Sequence[Signal], *, ranker_version: int | None, now: float, content: bool
) -> Memory:
    """Neighbors and vectors of the signals' items. One query, whatever their number."""
    wanted: dict[int, bool] = {}
    for signal in signals:
        counts = content and content_counts(signal, now)
        wanted[signal.item] = wanted.get(signal.item, False) or counts
    if not wanted:
        return EMPTY
    rows: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]] = []
    repeat: dict[int, float] = {}
    vectors: dict[int, Vector] = {}
    with connection.cursor() as cursor:
        cursor.execute(RECALL, [list(wanted), list(wanted.values()), ranker_version])
        for item_id, ids, weights, how_readily, vector in cursor.fetchall():
            if ids is not None:
                rows.append((integers(ids), reals(weights)))
                repeat[item_id] = how_readily
            if vector is not None:
                vectors[item_id] = half_vector(vector)
    if not rows:
        return Memory((), NO_NEIGHBORS[0], *NO_NEIGHBORS, {}, vectors)
    return Memory(
        learned=tuple(repeat),
        owners=np.repeat(np.arange(len(rows)), [len(items) for items, _ in rows]),
        items=np.concatenate([items for items, _ in rows]),
        weights=np.concatenate([weights for _, weights in rows]),
        repeat=repeat,
        vectors=vectors,
    )


def weighted_sum(
    vectors: Mapping[int, Vector], weights: Iterable[tuple[int, float]]
) -> Vector | None:
    """The sum of weight * vector over items; None when there is nothing to sum.

    Inner products with it are the sum of the items' own inner products, which is what lets a
    nearest-neighbor search keep an exact ledger.
    """
    parts = [weight * vectors[item] for item, weight in weights if item in vectors and weight]
    return np.sum(parts, axis=0) if parts else None
