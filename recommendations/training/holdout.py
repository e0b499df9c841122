"""What did shoppers take after a moment: the truth that rankers are measured on."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recommendations.scoring import ENGAGED_KINDS
from recommendations.training.evaluation import (
    DISCOVERY_SHARE,
    Judged,
    ListQuality,
    judge,
    list_quality,
    top_items,
)
from recommendations.training.histories import Histories, fold_log
from recommendations.training.log import IntArray, InteractionLog
from recommendations.training.ranker import Ranker

Scores = npt.NDArray[np.float32]

MIN_TARGETS = 100
"""With fewer events of the target kinds after the split, every kind of engagement is one."""


@dataclass(frozen=True, slots=True)
class Quality:
    """The two lists of a ranker: all items, and items new to the shopper."""

    all_items: ListQuality
    new_items: ListQuality

    @property
    def worth(self) -> float:
        """The one number that rankers are compared by."""
        return self.all_items.worth + self.new_items.worth


@dataclass(frozen=True, slots=True)
class Holdout:
    """Shoppers who were known at `split_at` and took something after it.

    Rows are these shoppers, columns the items of the log. `taken` is what they took after the
    split, `taken_new` those of it that they had not taken before, `had` what they had.
    """

    split_at: float
    shoppers: IntArray
    histories: Histories
    taken: sparse.csr_matrix
    taken_new: sparse.csr_matrix
    had: sparse.csr_matrix

    def sample(self, size: int, *, seed: int) -> "Holdout":
        """At most `size` of the shoppers, drawn at random."""
        if size >= len(self.shoppers):
            return self
        drawn = np.random.default_rng(seed).permutation(len(self.shoppers))[:size]
        return self.rows(np.sort(drawn))

    def rows(self, rows: IntArray) -> "Holdout":
        return Holdout(
            split_at=self.split_at,
            shoppers=self.shoppers[rows],
            histories=self.histories.of_shoppers(rows),
            taken=self.taken[rows],
            taken_new=self.taken_new[rows],
            had=self.had[rows],
        )

    def judge_all(self, scores: Scores, *, k: int) -> Judged:
        """The lists of the best `k` items."""
        return judge(top_items(scores, k), self.taken, k=k)

    def judge_new(self, scores: Scores, *, k: int) -> Judged:
        """The same among items new to the shopper."""
        masked = scores.copy()
        masked[self.had.nonzero()] = -np.inf
        lists = top_items(masked, k)
        return judge(lists, self.taken_new, k=k, coverage_share=DISCOVERY_SHARE)


def hold_out(
    log: InteractionLog,
    *,
    split_at: float,
    until: float = np.inf,
    target_kinds: Collection[str] = ("purchase",),
) -> Holdout:
    """What shoppers known before `split_at` took from then until `until`.

    Taking is an event of `target_kinds`, or of any kind of engagement where these are too few.
    """
    before, after = log.before(split_at), log.since(split_at).before(until)
    targets = after.of_kinds(target_kinds)
    if len(targets) < MIN_TARGETS:
        target_kinds = ENGAGED_KINDS
        targets = after.of_kinds(target_kinds)
    known = np.zeros(len(log.shopper_ids), dtype=np.bool_)
    known[before.shopper] = True
    shoppers = np.unique(targets.shopper[known[targets.shopper]])
    taken = _matrix(targets, shoppers)
    had = _matrix(before.of_kinds(target_kinds), shoppers)
    taken_new = (taken - taken.multiply(had)).tocsr()
    taken_new.eliminate_zeros()
    return Holdout(
        split_at=split_at,
        shoppers=shoppers,
        histories=fold_log(before).of_shoppers(shoppers),
        taken=taken,
        taken_new=taken_new,
        had=had,
    )


def measure(ranker: Ranker, holdout: Holdout, *, k: int, max_cells: int) -> Quality:
    """Quality of a ranker of the same log's items, `max_cells` scores at a time."""
    step = max(max_cells // max(len(ranker.item_ids), 1), 1)
    all_lists, new_lists = [], []
    for start in range(0, len(holdout.shoppers), step):
        part = holdout.rows(np.arange(start, min(start + step, len(holdout.shoppers))))
        home = ranker.scores(part.histories, "home", now=holdout.split_at)
        all_lists.append(top_items(home, k))
        discovery = ranker.scores(part.histories, "discovery", now=holdout.split_at)
        discovery[part.had.nonzero()] = -np.inf
        new_lists.append(top_items(discovery, k))
    if not all_lists:
        nothing = ListQuality(0.0, 0.0, 0.0, 0)
        return Quality(nothing, nothing)
    return Quality(
        all_items=list_quality(np.vstack(all_lists), holdout.taken, k=k),
        new_items=list_quality(np.vstack(new_lists), holdout.taken_new, k=k),
    )


def _matrix(log: InteractionLog, shoppers: IntArray) -> sparse.csr_matrix:
    """The given shoppers by all items, 1 where the log has an event."""
    row = np.full(len(log.shopper_ids), -1, dtype=np.int64)
    row[shoppers] = np.arange(len(shoppers))
    kept = row[log.shopper] >= 0
    width = max(len(log.item_ids), 1)
    cells = np.unique(row[log.shopper[kept]] * width + log.item[kept])
    return sparse.csr_matrix(
        (np.ones(len(cells), dtype=np.float32), (cells // width, cells % width)),
        shape=(len(shoppers), len(log.item_ids)),
    )
