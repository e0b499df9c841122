"""Neighbors between two trainings: new events counted, those of erased shoppers taken off."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np
from django.db import transaction
from scipy import sparse

from profiles.consent import permitted_events
from profiles.models import Purpose
from recommendations.models import ItemNeighbors, RankerVersion
from recommendations.neighbor_rows import delete_rows, write_neighbors
from recommendations.pair_counts import (
    CountedItems,
    FloatArray,
    read_counts,
    read_items,
    write_more,
)
from recommendations.training.growing import GrowingPairs
from recommendations.training.increments import merged, pair_change, touched_rows
from recommendations.training.log import IntArray
from recommendations.training.neighbors import damped
from recommendations.training.ranker import POOL, neighbors_of
from recommendations.training.recipe import Recipe, TrainingParams
from recommendations.training_run import KINDS, last_event, read_numbered_log

MOST_EVENTS = 20_000
"""New events that one update counts; what is beyond waits for the next."""


@dataclass(frozen=True, slots=True)
class Update:
    """What an update did: events counted, items whose neighbors were learned anew."""

    events: int = 0
    items: int = 0


@transaction.atomic
def update_neighbors(now: datetime, *, params: TrainingParams | None = None) -> Update:
    """Count the events since the live version was trained or last updated.

    Shoppers with new events are counted as they were and as they are, and the difference is
    added, so an event that comes late changes what it should. Counts are exact. What is not a sum
    stays as the last full fit froze it, until the next one, of the night: the recipe, the moment
    that fading counts from, popularity and momentum of the items that the fit knew, and scale.
    Equal means this: counting the whole log again with the same frozen values gives the same
    rows, to 1e-6, as long as the fit kept all pairs (`MOST_PAIRS`). Only rows whose strongest
    pairs are others now are weighed and written. All in one transaction: after a crash the update
    before it holds, and the next one starts there.
    """
    version = RankerVersion.objects.live().select_for_update().first()
    if version is None or not version.counting:
        return Update()
    since, latest = int(version.counting["through"]), last_event()
    new = permitted_events(Purpose.RESEARCH).filter(
        pk__gt=since, pk__lte=latest, kind__in=KINDS, item__isnull=False, occurred_at__lt=now
    )
    found = list(new.order_by("pk").values_list("pk", "shopper_id")[: MOST_EVENTS + 1])
    if len(found) > MOST_EVENTS:
        found = found[:MOST_EVENTS]
        latest = found[-1][0]
    items = 0
    if found:
        shoppers = {shopper for _, shopper in found}
        items = _count(version, shoppers, now=now, was=since, now_is=latest, params=params)
    version.counting = {**version.counting, "through": latest}
    version.save(update_fields=["counting"])
    return Update(events=len(found), items=items)


@transaction.atomic
def forget_shoppers(
    shoppers: Collection[int], now: datetime, *, params: TrainingParams | None = None
) -> int:
    """Take what these shoppers did off the live version; how many items' neighbors changed.

    To be called before their events are deleted or their consent is withdrawn, in the same
    transaction: what was counted is found by reading it once more.
    """
    version = RankerVersion.objects.live().select_for_update().first()
    if version is None or not version.counting:
        return 0
    through = int(version.counting["through"])
    return _count(version, shoppers, now=now, was=through, now_is=0, params=params)


@transaction.atomic
def count_shoppers(
    shoppers: Collection[int], now: datetime, *, params: TrainingParams | None = None
) -> int:
    """Count what these shoppers did before into the live version; how many items' neighbors
    changed.

    To be called when they begin to allow research, so that counts always hold those who allow it
    now, and nobody twice: else a later `forget_shoppers` would take off what was never counted.
    """
    version = RankerVersion.objects.live().first()
    if version is None or not version.counting:
        return 0
    known = permitted_events(Purpose.RESEARCH).filter(
        shopper__in=shoppers, item__isnull=False, kind__in=KINDS
    )
    if not known.filter(pk__lte=int(version.counting["through"])).exists():
        return 0  # an update counts them, if any
    version = RankerVersion.objects.live().select_for_update().first()
    if version is None or not version.counting:
        return 0
    through = int(version.counting["through"])
    return _count(version, shoppers, now=now, was=0, now_is=through, params=params)


def _count(
    version: RankerVersion,
    shoppers: Collection[int],
    *,
    now: datetime,
    was: int,
    now_is: int,
    params: TrainingParams | None,
) -> int:
    """Count these shoppers' events through `now_is` instead of those through `was`, by id."""
    params = params or TrainingParams()
    recipe = Recipe.from_json(version.params).neighbors
    log, number = read_numbered_log(now, through=max(was, now_is), shoppers=shoppers)
    change, popularity = pair_change(
        log.where(number <= was),
        log.where(number <= now_is),
        recipe,
        at=version.trained_at.timestamp(),
        seed=params.seed,
    )
    known = _with_new(read_items(version), log.item_ids, popularity)
    touched, again = _touched(version, known, log.item_ids, touched_rows(change))
    if not len(touched):
        return 0
    at_fit, more = read_counts(version, touched, known.ids)
    change = _rows(change, log.item_ids, touched, known.ids)
    factor = damped(known.popularity, recipe.damping, average=float(version.counting["average"]))
    growing = GrowingPairs(merged(at_fit, more), factor, keep=POOL * params.keep)
    changed = np.union1d(growing.add(change), again)
    neighbors = neighbors_of(
        growing.strongest(changed),
        known.momentum,
        recipe,
        keep=params.keep,
        scale=float(version.counting["scale"]),
    )
    new = np.flatnonzero(~known.frozen[np.searchsorted(known.ids, touched)])
    written = np.union1d(touched_rows(change), new)
    write_more(version, touched[written], (more + change).tocsr()[written], known)
    _write_neighbors(version, touched[changed], neighbors, known.ids)
    return len(changed)


def _with_new(known: CountedItems, items: IntArray, popularity: FloatArray) -> CountedItems:
    """The items known, and those of a change: what is not frozen has the popularity of now."""
    ids = np.union1d(known.ids, items)
    place, changed = np.searchsorted(ids, known.ids), np.searchsorted(ids, items)
    popular, momentum = np.zeros(len(ids)), np.ones(len(ids))
    frozen = np.zeros(len(ids), dtype=np.bool_)
    popular[place], momentum[place], frozen[place] = known.popularity, known.momentum, known.frozen
    added = np.zeros(len(ids))
    added[changed] = popularity
    popular[~frozen] = np.maximum(popular + added, 0.0)[~frozen]
    return CountedItems(ids, popular, momentum, frozen)


def _touched(
    version: RankerVersion, known: CountedItems, items: IntArray, rows: IntArray
) -> tuple[IntArray, IntArray]:
    """Ids of the items whose neighbors may change, and the places of those to weigh anyway.

    Those of which a count changes, and those that lead to a new item: it weighs less with every
    event, to all of them.
    """
    new = np.intersect1d(items, known.ids[~known.frozen])
    at_fit, more = read_counts(version, new, known.ids)
    leading = known.ids[np.union1d(at_fit.indices, more.indices)]
    touched = np.unique(np.concatenate([items[rows], new, leading]))
    return touched, np.searchsorted(touched, np.union1d(new, leading))


def _rows(
    change: sparse.csr_matrix, items: IntArray, touched: IntArray, ids: IntArray
) -> sparse.csr_matrix:
    """The change with a row for each touched item and a column for each item known."""
    change = change.tocoo()
    return sparse.csr_matrix(
        (
            change.data,
            (
                np.searchsorted(touched, items[change.row]),
                np.searchsorted(ids, items[change.col]),
            ),
        ),
        shape=(len(touched), len(ids)),
    )


def _write_neighbors(
    version: RankerVersion, items: IntArray, neighbors: sparse.csr_matrix, ids: IntArray
) -> None:
    """Replace the neighbors of these items, a row each; columns are places in `ids`."""
    rows = ItemNeighbors.objects.filter(ranker=version, item__in=items.tolist())
    repeat = dict(rows.values_list("item_id", "repeat"))
    delete_rows("recommendations_itemneighbors", version, items)
    bounds = neighbors.indptr.tolist()
    cells = [slice(*ends) for ends in pairwise(bounds)]
    write_neighbors(
        version,
        (
            (item, ids[neighbors.indices[cell]], neighbors.data[cell], repeat.get(item, 1.0))
            for item, cell in zip(items.tolist(), cells, strict=True)
        ),
    )
