"""How good are the recommendations on a real log: `make bench-quality`.

Protocol: train on all but the last 28 days, rank all items for every known shopper of those
days, recall@20 (of at most 20) and nDCG@20; once for all items, once for items new to the shopper;
apart from these, what each shopper has in the order of buying it again, and baskets of these days
with one item withheld, found by the others.
Ours comes through the product's own importers, database and pipeline; the baselines are computed
from the cleaned log in the same run. Events of one time stamp are taken in a seeded order.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import numpy.typing as npt
from scipy import sparse

from bench import environment
from bench.online_retail import FILE, SPLIT, Row, clean_rows, load

if TYPE_CHECKING:
    from recommendations.training.evaluation import ListQuality
    from recommendations.training.holdout import Holdout
    from recommendations.training.log import InteractionLog

K = 20
SEED = 7
REFERENCES = {"hand-set sum"}
"""Shown beside the baselines: what nobody runs, made of several of them by hand."""

Row20 = Mapping[str, float | None]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fresh", action="store_true", help="Import the raw data anew.")
    options = parser.parse_args()
    if not FILE.exists():
        environment.skip("recommendation_quality", "the Online Retail data is not here")
    environment.start()
    load(fresh=options.fresh)

    from bench.baselines import (
        BaselineQuality,
        measure_baselines,
        measure_buying_again,
        measure_complements,
        quality_of,
    )
    from recommendations.models import RankerVersion
    from recommendations.placements import ensure_default_placements
    from recommendations.training.evaluation import list_quality
    from recommendations.training.holdout import hold_out

    ensure_default_placements()
    with environment.step("Reading the cleaned log"):
        log, shoppers, items = interaction_log(clean_rows())
        holdout = hold_out(log, split_at=SPLIT.timestamp())
    asked = [shoppers[index] for index in holdout.shoppers]

    table: dict[str, dict[str, float | None]] = {}

    def add(name: str, quality: BaselineQuality) -> None:
        new = quality.new_items
        table[name] = {
            "all_recall20": round(quality.all_items.recall, 4),
            "all_ndcg20": round(quality.all_items.ndcg, 4),
            "new_recall20": None if new is None else round(new.recall, 4),
            "new_ndcg20": None if new is None else round(new.ndcg, 4),
            "all_coverage10": round(quality.all_coverage, 4),
            "new_coverage10": None if new is None else round(quality.new_coverage or 0.0, 4),
        }
        print(f"{name:36}", *("  –  " if v is None else f"{v:.3f}" for v in table[name].values()))

    print(f"{'':36} all: recall, nDCG; new: recall, nDCG; coverage@10 of all, of new")
    for name, quality in measure_baselines(log, holdout, k=K):
        add(name, quality)
    with environment.step(f"Ranking for {len(asked)} shoppers with the product's pipeline"):
        all_lists, new_lists, again_lists = (
            our_lists(asked, placement, items)
            for placement in ("quality-all", "quality-new", "buy-again")
        )
    taken, taken_new = _with_miss(holdout.taken), _with_miss(holdout.taken_new)
    add("attune", quality_of(all_lists, new_lists, taken, taken_new, k=K))
    ours = table.pop("attune")
    baselines = {name: row for name, row in table.items() if name not in REFERENCES}

    again = Comparison("buying again, among what the shopper has")
    for name, found in measure_buying_again(log, holdout, k=K):
        again.add(name, found)
    again.add("attune", list_quality(again_lists, _again(holdout), k=K))

    given, withheld = withheld_items(log, holdout.split_at)
    complements = Comparison(f"the item withheld of {given.shape[0]} baskets", references=["EASE"])
    for name, found in measure_complements(log, holdout, given, withheld, k=K):
        complements.add(name, found)
    with environment.step("Ranking for these carts with the product's pipeline"):
        cart_lists = our_complements(given, items)
    complements.add("attune", list_quality(cart_lists, _with_miss(withheld), k=K))

    live = RankerVersion.objects.live().get()
    ahead_all, best_all = _ahead(ours, baselines, "all")
    ahead_new, best_new = _ahead(ours, baselines, "new")
    environment.report(
        bench="recommendation_quality",
        **{name: value for name, value in ours.items() if "coverage" not in name},
        ahead_all=ahead_all,
        ahead_new=ahead_new,
        coverage10={
            "all": ours["all_coverage10"],
            "new": ours["new_coverage10"],
            "all_of_best": _ratio(ours, baselines[best_all], "all_coverage10"),
            "new_of_best": _ratio(ours, baselines[best_new], "new_coverage10"),
        },
        best={"all": best_all, "new": best_new},
        buy_again=again.result(),
        complements=complements.result(),
        baselines=baselines,
        references={name: row for name, row in table.items() if name in REFERENCES},
        train_s=round(live.seconds, 1),
        items=live.items,
        shoppers=live.shoppers,
        events=live.events,
        test_shoppers=len(asked),
    )


class Comparison:
    """One question, and how well each method answers it."""

    def __init__(self, question: str, *, references: Sequence[str] = ()) -> None:
        self._references = references
        self._rows: dict[str, dict[str, float]] = {}
        print(f"{question}: recall, nDCG, coverage@20")

    def add(self, name: str, quality: "ListQuality") -> None:
        self._rows[name] = {
            "recall20": round(quality.recall, 4),
            "ndcg20": round(quality.ndcg, 4),
            "coverage20": round(quality.coverage, 4),
        }
        print(f"{name:36}", *(f"{value:.3f}" for value in self._rows[name].values()))

    def result(self) -> dict[str, Any]:
        """Ours, how far it is ahead of the best other in nDCG, and the others."""
        ours = self._rows["attune"]
        others = {name: row for name, row in self._rows.items() if name != "attune"}
        baselines = {name: row for name, row in others.items() if name not in self._references}
        best = max(row["ndcg20"] for row in baselines.values())
        return {
            **ours,
            "ahead": round(ours["ndcg20"] / best - 1, 4),
            "baselines": baselines,
            "references": {name: others[name] for name in self._references},
        }


def _ahead(ours: Row20, baselines: Mapping[str, Row20], name: str) -> tuple[float, str]:
    """How far ours is ahead of the best baseline in nDCG@20, as a share of its; and which it is."""
    column = f"{name}_ndcg20"
    best = max(baselines, key=lambda method: baselines[method][column] or 0.0)
    return round(_ratio(ours, baselines[best], column) - 1, 4), best


def _ratio(ours: Row20, other: Row20, column: str) -> float:
    return round((ours[column] or 0.0) / (other[column] or 1.0), 4)


def withheld_items(
    log: "InteractionLog", split_at: float
) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Baskets after the split without one item, drawn at random, and that item of each.

    A basket is what one shopper took at one moment; the item must have been taken before.
    """
    later = log.since(split_at)
    _, basket = np.unique(np.stack([later.shopper, later.at]), axis=1, return_inverse=True)
    size = len(log.item_ids)
    cells = np.unique(basket.reshape(-1) * size + later.item)
    lot = np.random.default_rng(SEED).random(len(cells))
    order = np.lexsort((lot, cells // size))
    drawn = np.ones(len(cells), dtype=np.bool_)
    drawn[1:] = (cells // size)[order][1:] != (cells // size)[order][:-1]
    known = np.isin(np.arange(size), log.before(split_at).item)
    several = np.bincount(cells // size)[cells // size] > 1
    asked = cells[order[drawn]]
    asked = asked[several[order[drawn]] & known[asked % size]]
    row = np.full(int(cells.max()) // size + 1, -1)
    row[asked // size] = np.arange(len(asked))
    given = cells[(row[cells // size] >= 0) & ~np.isin(cells, asked)]
    shape = (len(asked), size)

    def matrix(kept: npt.NDArray[np.int64]) -> sparse.csr_matrix:
        ones = np.ones(len(kept), dtype=np.float32)
        return sparse.csr_matrix((ones, (row[kept // size], kept % size)), shape=shape)

    return matrix(given), matrix(asked)


def our_complements(given: sparse.csr_matrix, items: list[str]) -> npt.NDArray[np.int64]:
    """One slate a cart of a shopper nothing else is known of, as indices of `items`."""
    from catalog.models import Item
    from recommendations.context import build_request
    from recommendations.recommend import recommend

    index = {item: position for position, item in enumerate(items)}
    # An item without a title was refused by the catalog's import: a cart cannot hold it.
    listed = set(Item.objects.values_list("external_id", flat=True))
    lists = np.full((given.shape[0], K), len(items), dtype=np.int64)
    for row in range(given.shape[0]):
        cart = given.indices[given.indptr[row] : given.indptr[row + 1]]
        asked = [items[i] for i in cart if items[i] in listed]
        request = build_request("cart", cart_items=asked, limit=K, now=SPLIT)
        slate = recommend(replace(request, ignore_eligibility=True))
        assert not slate.fallbacks, slate.fallbacks
        lists[row, : len(slate.items)] = [index.get(i.external_id, len(items)) for i in slate.items]
    return lists


def _again(holdout: "Holdout") -> sparse.csr_matrix:
    return _with_miss(holdout.taken.multiply(holdout.had).tocsr())


def interaction_log(rows: list[Row]) -> "tuple[InteractionLog, list[str], list[str]]":
    """The cleaned log for the baselines, with the names of its shoppers and items by index."""
    from recommendations.training.log import InteractionLog

    shoppers, shopper_index = np.unique([row.shopper for row in rows], return_inverse=True)
    items, item_index = np.unique([row.item for row in rows], return_inverse=True)
    log = InteractionLog.from_ids(
        shopper=shopper_index,
        item=item_index,
        at=[int(row.at.timestamp()) for row in rows],
        kind=np.zeros(len(rows)),
        kinds=["purchase"],
    )
    return log, shoppers.tolist(), items.tolist()


def our_lists(shoppers: list[str], placement: str, items: list[str]) -> npt.NDArray[np.int64]:
    """One slate a shopper at the split, as indices of `items`; what it does not know comes last."""
    from profiles.identity import ShopperRef
    from recommendations.context import build_request
    from recommendations.recommend import recommend

    index = {item: position for position, item in enumerate(items)}
    # An item that only guests ever bought is not in the protocol's log: it counts as a miss.
    miss = len(items)
    lists = np.full((len(shoppers), K), miss, dtype=np.int64)
    for row, shopper in enumerate(shoppers):
        request = build_request(placement, shopper=ShopperRef(known=shopper), limit=K, now=SPLIT)
        slate = recommend(replace(request, ignore_eligibility=True))
        assert not slate.fallbacks, slate.fallbacks
        lists[row, : len(slate.items)] = [index.get(i.external_id, miss) for i in slate.items]
    return lists


def _with_miss(truth: sparse.csr_matrix) -> sparse.csr_matrix:
    """The truth with one more column, for what was recommended from outside of the log."""
    return sparse.hstack([truth, sparse.csr_matrix((truth.shape[0], 1))], format="csr")


if __name__ == "__main__":
    main()
