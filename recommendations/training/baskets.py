"""What did shoppers take in one go: baskets, of a log's purchases or of what comes closest."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from profiles.signals import SignalKind
from recommendations.scoring import ENGAGED_KINDS
from recommendations.training.log import IntArray, InteractionLog

BASKET_KINDS: tuple[frozenset[str], ...] = (
    frozenset({SignalKind.PURCHASE}),
    frozenset({SignalKind.PURCHASE, SignalKind.ADD_TO_CART}),
    ENGAGED_KINDS,
)
"""What a basket may be made of; the first of these that gives MIN_BASKETS of two items is taken."""

MIN_BASKETS = 100
GAP_SECONDS = 1_800
"""Events of one shopper that lie closer together belong to one basket."""

MAX_ITEMS = 200
"""A larger basket is sampled: a wholesale order of thousands says little about any pair."""


@dataclass(frozen=True, slots=True)
class Baskets:
    """Baskets of two items or more, oldest first.

    `items` is baskets by the items of the log, 1 where an item is in it; `shopper` indexes the
    log's shoppers, `at` is when a basket ended, in seconds since 1970.
    """

    items: sparse.csr_matrix
    shopper: IntArray
    at: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.at)

    def rows(self, rows: IntArray) -> Self:
        return type(self)(self.items[rows], self.shopper[rows], self.at[rows])


def baskets_of(log: InteractionLog, *, seed: int) -> Baskets:
    """The baskets of a log, of whatever kind of event it has enough of."""
    for kinds in BASKET_KINDS[:-1]:
        found = _baskets(log.of_kinds(kinds), seed=seed)
        if len(found) >= MIN_BASKETS:
            return found
    return _baskets(log.of_kinds(BASKET_KINDS[-1]), seed=seed)


def _baskets(log: InteractionLog, *, seed: int) -> Baskets:
    order = np.lexsort((log.at, log.shopper))
    shopper, item, at = log.shopper[order], log.item[order], log.at[order]
    begins = np.ones(len(at), dtype=np.bool_)
    begins[1:] = (shopper[1:] != shopper[:-1]) | (at[1:] - at[:-1] > GAP_SECONDS)
    basket = np.cumsum(begins) - 1
    width = max(len(log.item_ids), 1)
    cells = np.unique(basket * width + item)
    basket_of_cell = cells // width
    cells = cells[_at_most(basket_of_cell, MAX_ITEMS, seed=seed)]
    count = int(begins.sum())
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(at)) - 1 if count else first
    items = sparse.csr_matrix(
        (np.ones(len(cells), dtype=np.float32), (cells // width, cells % width)),
        shape=(count, len(log.item_ids)),
    )
    found = Baskets(items, shopper[first], at[last].astype(np.float64))
    several = np.flatnonzero(np.diff(items.indptr) > 1)
    return found.rows(several[np.argsort(found.at[several], kind="stable")])


def _at_most(group: IntArray, most: int, *, seed: int) -> npt.NDArray[np.bool_]:
    """True for at most `most` elements, drawn at random, of each group; groups are sorted."""
    if not len(group):
        return np.zeros(0, dtype=np.bool_)
    lot = np.random.default_rng(seed).random(len(group))
    order = np.lexsort((lot, group))
    starts = np.searchsorted(group, group)
    kept = np.zeros(len(group), dtype=np.bool_)
    kept[order] = np.arange(len(group)) - starts < most
    return kept
