"""How good is a model on a log: what is held out, and what the lists are worth."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recommendations.training.counting import popularity
from recommendations.training.evaluation import shopper_quality, top_items
from recommendations.training.sequences import IntArray, Sequences

LISTS = (10, 20)
BLOCK_CELLS = 4_000_000
"""Scores held at a time."""

Scores = npt.NDArray[np.float32]
Scorer = Callable[[Sequences, IntArray], Scores]
"""Histories, and which shoppers of the training part they are, to shoppers by items."""


@dataclass(frozen=True, slots=True)
class Split:
    """What is learned from, and who took what after it. Rows of `taken` are those of `asked`."""

    train: Sequences
    asked: IntArray
    taken: sparse.csr_matrix


@dataclass(frozen=True, slots=True)
class LogQuality:
    """Means over shoppers. recall is capped at min(k, n) for who took n.

    `coverage` is the share of items that any list shows, of those the training part knows.
    `novelty` is the mean of -log2 of the share of shoppers who had the item, `popularity_bias`
    the popularity of what is shown over the average item's; both of the lists of 10.
    """

    recall_10: float
    recall_20: float
    ndcg_10: float
    ndcg_20: float
    coverage_10: float
    coverage_20: float
    novelty: float
    popularity_bias: float

    def rounded(self) -> dict[str, float]:
        return {name: round(value, 4) for name, value in asdict(self).items()}


def leave_last_out(sequences: Sequences, *, masked: bool) -> Split:
    """Each shopper's last event is held out, of who has two or more.

    Where seen items are masked, it is the last event on an item that is new to the shopper, and
    what follows it is left out: nothing after what is foreseen may be known.
    """
    index = np.arange(len(sequences))
    if masked:
        firsts = _firsts(sequences)
        last = np.zeros(sequences.shoppers, dtype=np.int64)
        np.maximum.at(last, sequences.shopper[firsts], index[firsts])
    else:
        last = sequences.starts[1:] - 1
    asked = np.flatnonzero((sequences.lengths() > 1) & (last > sequences.starts[:-1]))
    until = sequences.starts[1:].copy()
    until[asked] = last[asked]
    return Split(
        train=sequences.where(index < until[sequences.shopper]),
        asked=asked,
        taken=_taken(np.arange(len(asked)), sequences.item[last[asked]], len(asked), sequences),
    )


def split_at(sequences: Sequences, at: float, *, masked: bool) -> Split:
    """What happened before `at` is learned from; asked are who is known from it and took more."""
    before = sequences.at < at
    train = sequences.where(before)
    known = train.lengths() > 0
    after = sequences.where(~before & known[sequences.shopper])
    if masked:
        had = train.shopper * sequences.items + train.item
        after = after.where(~np.isin(after.shopper * sequences.items + after.item, had))
    asked = np.flatnonzero(after.lengths() > 0)
    row = np.zeros(sequences.shoppers, dtype=np.int64)
    row[asked] = np.arange(len(asked))
    return Split(
        train=train,
        asked=asked,
        taken=_taken(row[after.shopper], after.item, len(asked), sequences),
    )


def limited(split: Split, shoppers: int, *, seed: int) -> Split:
    """The split with at most so many shoppers asked, drawn at random."""
    if shoppers >= len(split.asked):
        return split
    drawn = np.random.default_rng(seed).choice(len(split.asked), shoppers, replace=False)
    drawn = np.sort(drawn)
    return Split(split.train, split.asked[drawn], split.taken[drawn])


def measured(split: Split, scorer: Scorer, *, masked: bool) -> LogQuality:
    """Rank all items for every shopper asked. Items of equal score go by their sorted names."""
    k = min(max(LISTS), split.train.items)
    lists = np.zeros((len(split.asked), k), dtype=np.int64)
    for rows, histories in _blocks(split):
        scores = scorer(histories, split.asked[rows])
        if masked:
            scores[histories.shopper, histories.item] = -np.inf
        lists[rows] = top_items(scores, k)
    found = {k: shopper_quality(lists, split.taken, k=k) for k in LISTS}
    had = popularity(split.train)
    known = max(int((had > 0).sum()), 1)
    shown = lists[:, : LISTS[0]]
    share = np.maximum(had, 1) / max(split.train.shoppers, 1)
    return LogQuality(
        recall_10=_mean(found[10][0]),
        recall_20=_mean(found[20][0]),
        ndcg_10=_mean(found[10][1]),
        ndcg_20=_mean(found[20][1]),
        coverage_10=len(np.unique(shown)) / known,
        coverage_20=len(np.unique(lists)) / known,
        novelty=_mean(-np.log2(np.minimum(share[shown], 1.0))),
        popularity_bias=_mean(had[shown]) / max(_mean(had[had > 0]), 1e-9),
    )


def _mean(values: npt.NDArray[np.floating]) -> float:
    return float(values.mean()) if values.size else 0.0


def _blocks(split: Split) -> Iterator[tuple[slice, Sequences]]:
    step = max(BLOCK_CELLS // max(split.train.items, 1), 1)
    for start in range(0, len(split.asked), step):
        rows = slice(start, min(start + step, len(split.asked)))
        yield rows, split.train.of_shoppers(split.asked[rows])


def _firsts(sequences: Sequences) -> IntArray:
    """The events that are the first of their shopper and item."""
    pair = sequences.shopper * max(sequences.items, 1) + sequences.item
    return np.sort(np.unique(pair, return_index=True)[1])


def _taken(row: IntArray, item: IntArray, rows: int, sequences: Sequences) -> sparse.csr_matrix:
    taken = sparse.csr_matrix(
        (np.ones(len(row), dtype=np.float32), (row, item)), shape=(rows, sequences.items)
    )
    taken.data[:] = 1
    return taken
