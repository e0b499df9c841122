"""What training and embedding know about the items of a request's signals."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
from django.db import connection

from profiles.signals import Signal, SignalKind
from recommendations.pipeline.arrays import half_vector, integers, reals
from recommendations.scoring import Neighbors

CONTENT_WINDOW = timedelta(days=30)
"""Older events speak through the neighbors only: their vectors are not worth reading."""

PAGE_KINDS = frozenset({SignalKind.CONTEXT_ITEM, SignalKind.CART_ITEM})

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Memory:
    """By item of the history: its learned neighbors and, where content counts, its vector."""

    neighbors: Mapping[int, Neighbors]
    vectors: Mapping[int, Vector]


EMPTY = Memory({}, {})

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
    neighbors: dict[int, Neighbors] = {}
    vectors: dict[int, Vector] = {}
    with connection.cursor() as cursor:
        cursor.execute(RECALL, [list(wanted), list(wanted.values()), ranker_version])
        for item_id, ids, weights, repeat, vector in cursor.fetchall():
            if ids is not None:
                neighbors[item_id] = Neighbors(integers(ids), reals(weights), repeat)
            if vector is not None:
                vectors[item_id] = half_vector(vector)
    return Memory(neighbors, vectors)


def weighted_sum(
    vectors: Mapping[int, Vector], weights: Iterable[tuple[int, float]]
) -> Vector | None:
    """The sum of weight * vector over items; None when there is nothing to sum.

    Inner products with it are the sum of the items' own inner products, which is what lets a
    nearest-neighbor search keep an exact ledger.
    """
    parts = [weight * vectors[item] for item, weight in weights if item in vectors and weight]
    return np.sum(parts, axis=0) if parts else None
