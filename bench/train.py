"""What training costs at each size of log: `make bench-train`.

Generated logs: shoppers and items of a power law, tastes, and a drift of what is new. Full fit
(sorting, counting, choosing of settings, weighing) from arrays against the BM25 of `implicit` on
the same matrix, and an update of 1,000 new events against the full fit. Every size and method
runs in a process of its own, whose CPU seconds and peak memory are its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import numpy.typing as npt
from scipy import sparse

from bench import environment
from recommendations.training.counting import count_blocks, popularity
from recommendations.training.increments import merged, sequence_change, touched_rows
from recommendations.training.log_model import KERNEL, LogSettings, fit_log
from recommendations.training.neighbors import cut, damped, leading, weigh
from recommendations.training.sequences import Sequences, in_order

IntArray = npt.NDArray[np.int64]

SIZES = (400_000, 4_000_000, 40_000_000)
NEW_EVENTS = 1_000
EVENTS_A_SHOPPER = 20
TASTES = 50
SESSION_EVENTS = 5
"""New events come in visits: so many of each shopper."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--part", choices=list(PARTS), help="Measure one, in this process.")
    options = parser.parse_args()
    sizes = [int(float(size)) for size in options.sizes.split(",")]
    if options.part:
        print(json.dumps(PARTS[options.part](sizes[0])))
        return
    results = {}
    for size in sizes:
        measured: dict[str, Any] = {}
        for part in PARTS:
            with environment.step(f"{size:,} events: {part}"):
                measured[part] = _apart(size, part)
        fit, bm25 = measured["fit"], measured["bm25"]
        if "cpu_s" in bm25:
            measured["fit_of_bm25_cpu"] = round(fit["cpu_s"] / bm25["cpu_s"], 2)
        measured["update_of_fit_cpu"] = round(measured["update"]["cpu_s"] / fit["cpu_s"], 4)
        results[str(size)] = measured
        print(f"{size:>11,}  fit {fit}  BM25 {bm25}  update {measured['update']}")
    environment.report(bench="train", sizes=results)


def _apart(size: int, part: str) -> dict[str, Any]:
    command = [sys.executable, str(Path(__file__)), "--sizes", str(size), "--part", part]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or [str(done.returncode)])[-1]}
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def generated(events: int, *, seed: int = 7) -> tuple[IntArray, IntArray, IntArray, int, int]:
    """Shopper, item and time of each event, and how many shoppers and items there may be."""
    random = np.random.default_rng(seed)
    shoppers = max(events // EVENTS_A_SHOPPER, 10)
    items = int(np.clip(events // 80, 2_000, 100_000))
    # Power laws: the activity of shoppers, and how popular items are.
    activity = random.pareto(2.0, shoppers) + 1
    shopper = np.sort(random.choice(shoppers, events, p=activity / activity.sum()))
    rank = np.minimum(
        (random.random(events) ** 2.5 * (items // TASTES)).astype(np.int64), items // TASTES - 1
    )
    taste = np.where(
        random.random(events) < 0.7, shopper % TASTES, random.integers(0, TASTES, events)
    )
    at = random.integers(0, 365 * 86_400, events)
    return shopper, rank * TASTES + taste, at, shoppers, items


def fit(events: int) -> dict[str, Any]:
    shopper, item, at, shoppers, items = generated(events)
    before = _memory_mb()
    return {**_measured(lambda: _fitted(shopper, item, at, shoppers, items)), "log_mb": before}


def bm25(events: int) -> dict[str, Any]:
    from implicit.nearest_neighbours import BM25Recommender

    shopper, item, _, shoppers, items = generated(events)
    before = _memory_mb()

    def learn() -> None:
        ones = np.ones(len(shopper), dtype=np.float32)
        taken = sparse.csr_matrix((ones, (shopper, item)), shape=(shoppers, items))
        BM25Recommender(K=20, num_threads=1).fit(taken, show_progress=False)

    return {**_measured(learn), "log_mb": before}


def update(events: int) -> dict[str, Any]:
    """1,000 events of 200 shoppers: their histories counted before and after, rows weighed anew."""
    shopper, item, at, shoppers, items = generated(events)
    random = np.random.default_rng(11)
    visitors = shopper[random.integers(0, len(shopper), NEW_EVENTS // SESSION_EVENTS)]
    new_shopper = np.repeat(visitors, SESSION_EVENTS)
    new_item = item[random.integers(0, len(item), len(new_shopper))]
    whole = in_order(shopper, item, at, shoppers=shoppers, items=items, seed=7)
    factor = damped(popularity(whole), 0.5)
    counts = _kept(whole, factor).sorted_indices()
    histories = whole.of_shoppers(np.unique(visitors))
    return _measured(lambda: _updated(counts, factor, histories, new_shopper, new_item))


def _fitted(shopper: IntArray, item: IntArray, at: IntArray, shoppers: int, items: int) -> None:
    fit_log(in_order(shopper, item, at, shoppers=shoppers, items=items, seed=7))


def _kept(whole: Sequences, factor: npt.NDArray[np.float64]) -> sparse.csr_matrix:
    rows = []
    for _, block in count_blocks(whole, KERNEL):
        rows.append(cut(block, 1_000, by=leading(block, factor)))
    return sparse.vstack(rows, format="csr")


def _updated(
    counts: sparse.csr_matrix,
    factor: npt.NDArray[np.float64],
    histories: Sequences,
    new_shopper: IntArray,
    new_item: IntArray,
) -> None:
    row = np.searchsorted(np.unique(new_shopper), new_shopper)
    later = int(histories.at.max()) + 1
    now = in_order(
        np.concatenate([histories.shopper, row]),
        np.concatenate([histories.item, new_item]),
        np.concatenate([histories.at, np.full(len(row), later) + np.arange(len(row))]),
        shoppers=histories.shoppers,
        items=histories.items,
        seed=7,
    )
    change, _ = sequence_change(histories, now, KERNEL)
    rows = touched_rows(change)
    cut(weigh(merged(counts[rows], change[rows]), factor, evenness=LogSettings().evenness), 200)


def _measured(work: Any) -> dict[str, Any]:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return {
        "cpu_s": round(time.process_time() - cpu, 3),
        "wall_s": round(time.perf_counter() - wall, 3),
        "peak_mb": _memory_mb(),
    }


def _memory_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


PARTS = {"fit": fit, "bm25": bm25, "update": update}

if __name__ == "__main__":
    main()
