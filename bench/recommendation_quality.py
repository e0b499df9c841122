"""How good are the recommendations on a real log: `make bench-quality`.

Protocol: train on all but the last 28 days, rank all items for every known shopper of those
days, recall@20 (of at most 20) and nDCG@20; once for all items, once for items new to the shopper.
Ours comes through the product's own importers, database and pipeline; the baselines are computed
from the cleaned log in the same run. Events of one time stamp are taken in a seeded order.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import numpy.typing as npt
from scipy import sparse

from bench import environment
from bench.online_retail import FILE, SPLIT, Row, clean_rows, load

if TYPE_CHECKING:
    from recommendations.training.log import InteractionLog

K = 20
REFERENCES = {"EASE", "hand-set sum"}
"""Shown beside the baselines: stronger methods than a shop would run."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fresh", action="store_true", help="Import the raw data anew.")
    options = parser.parse_args()
    if not FILE.exists():
        environment.skip("recommendation_quality", "the Online Retail data is not here")
    environment.start()
    load(fresh=options.fresh)

    from bench.baselines import measure_baselines
    from recommendations.models import RankerVersion
    from recommendations.training.evaluation import ListQuality, list_quality
    from recommendations.training.holdout import hold_out

    with environment.step("Reading the cleaned log"):
        log, shoppers, items = interaction_log(clean_rows())
        holdout = hold_out(log, split_at=SPLIT.timestamp())
    asked = [shoppers[index] for index in holdout.shoppers]

    table: dict[str, dict[str, float | None]] = {}

    def add(name: str, all_items: ListQuality, new_items: ListQuality | None) -> None:
        table[name] = {
            "all_recall20": round(all_items.recall, 4),
            "all_ndcg20": round(all_items.ndcg, 4),
            "new_recall20": None if new_items is None else round(new_items.recall, 4),
            "new_ndcg20": None if new_items is None else round(new_items.ndcg, 4),
        }
        print(f"{name:36}", *("  –  " if v is None else f"{v:.3f}" for v in table[name].values()))

    print(f"{'':36} all: recall, nDCG; new: recall, nDCG")
    for name, quality in measure_baselines(log, holdout, k=K):
        add(name, quality.all_items, quality.new_items)
    with environment.step(f"Ranking for {len(asked)} shoppers with the product's pipeline"):
        lists = {placement: our_lists(asked, placement, items) for placement in PLACEMENTS}
    add(
        "attune",
        list_quality(lists["quality-all"], _with_miss(holdout.taken), k=K),
        list_quality(lists["quality-new"], _with_miss(holdout.taken_new), k=K),
    )
    ours = table.pop("attune")
    live = RankerVersion.objects.live().get()
    environment.report(
        bench="recommendation_quality",
        **ours,
        baselines={name: row for name, row in table.items() if name not in REFERENCES},
        references={name: row for name, row in table.items() if name in REFERENCES},
        train_s=round(live.seconds, 1),
        items=live.items,
        shoppers=live.shoppers,
        events=live.events,
        test_shoppers=len(asked),
    )


PLACEMENTS = ("quality-all", "quality-new")


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
