"""What training costs at each size of log: `make bench-train`.

Generated logs: shoppers and items of a power law, tastes, and a drift of what is new; and one as
sparse as the reviews of a drugstore. Every size and method runs in a process of its own, whose
CPU seconds (the median of several turns where a turn is short) and peak memory are its own.

- `fit` against `bm25`: from arrays to neighbors on both sides. The fit sorts, counts, chooses its
  settings and weighs; the BM25 of `implicit` makes its matrix and keeps 20 neighbors an item.
- `update` against `fit`, both in memory: 1,000 new events of 200 shoppers to neighbors that are
  weighed, several times in turn, by the very steps that the shop's own update takes. Then they are
  compared with those of counting everything again under what the fit froze, row for row; and with
  those of a fit anew, which freezes popularity, momentum and settings as they are then: what
  share of each row's twenty strongest is the same. `start_cpu_s`, once a fit, finds the strongest.
- `product`, at the smallest size: `train` and `update_neighbors` as the schedule runs them, from
  and to the database, its own CPU seconds included.

Memory of a fit: 80 bytes an event, 12 bytes for each pair kept (100 million at most), and a block
of 150 MB.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import numpy.typing as npt
from scipy import sparse

from bench import environment
from recommendations.training.counting import count_blocks
from recommendations.training.growing import GrowingPairs
from recommendations.training.increments import sequence_change, touched_rows
from recommendations.training.log_model import KERNEL, LogModel, fit_log
from recommendations.training.neighbors import cut, evened, leads_of
from recommendations.training.sequences import Sequences, in_order

IntArray = npt.NDArray[np.int64]
Log = tuple[IntArray, IntArray, IntArray, int, int]
"""Shopper, item and time of each event, and how many shoppers and items there may be."""

SIZES = (400_000, 4_000_000, 40_000_000)
SPARSE = "sparse"
KEEP = 200
"""Neighbors an item, of the fit and of the update."""
NEW_EVENTS, SESSION_EVENTS = 1_000, 5
"""New events come in visits: so many of each shopper."""
VISITORS = NEW_EVENTS // SESSION_EVENTS
UPDATES = 5
MOST_COMPARED = 5_000
"""Items whose neighbors are counted again; the first ones, which sell best."""
TOP = 20
EVENTS_A_SHOPPER = 20
TASTES = 50
SEED = 7


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", default=",".join([SPARSE, *map(str, SIZES)]))
    parser.add_argument("--part", choices=list(PARTS), help="Measure one, in this process.")
    options = parser.parse_args()
    names = [name if name == SPARSE else str(int(float(name))) for name in options.sizes.split(",")]
    if options.part:
        print(json.dumps(PARTS[options.part](names[0])))
        return
    results = {}
    sizes = [int(name) for name in names if name != SPARSE]
    for name in names:
        parts = [part for part in PARTS if part != "product" or name == str(min(sizes, default=0))]
        measured: dict[str, Any] = {}
        for part in parts:
            with environment.step(f"{name} events: {part}"):
                measured[part] = _apart(name, part)
            print(f"  {part} {measured[part]}")
        results[name] = {**measured, **_ratios(measured)}
        print(f"{name:>11} {_ratios(measured)}", flush=True)
    environment.report(bench="train", sizes=results)


def _ratios(measured: dict[str, Any]) -> dict[str, float]:
    """Of what could be measured: a part that failed, for memory say, has no ratio."""
    ratios = {}
    for name, one, other in (
        ("fit_of_bm25_cpu", "fit", "bm25"),
        ("update_of_fit_cpu", "update", "fit"),
    ):
        if "cpu_s" in measured[one] and "cpu_s" in measured[other]:
            ratios[name] = round(measured[one]["cpu_s"] / measured[other]["cpu_s"], 4)
    if "train_cpu_s" in measured.get("product", {}):
        shop = measured["product"]
        ratios["product_update_of_train_cpu"] = round(shop["update_cpu_s"] / shop["train_cpu_s"], 4)
    return ratios


def _apart(name: str, part: str) -> dict[str, Any]:
    command = [sys.executable, str(Path(__file__)), "--sizes", name, "--part", part]
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=alone)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or [str(done.returncode)])[-1]}
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def generated(events: int, *, seed: int = SEED) -> Log:
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


def sparse_log() -> Log:
    """Shaped like a set of drugstore reviews: 22,000 shoppers of 8 events, 12,000 items, by day."""
    random = np.random.default_rng(3)
    shoppers, items = 22_363, 12_101
    lengths = 5 + np.minimum((random.pareto(1.6, shoppers) * 2.2).astype(np.int64), 200)
    shopper = np.repeat(np.arange(shoppers), lengths)
    often = (np.arange(items) + 30.0) ** -0.8
    item = random.choice(items, len(shopper), p=often / often.sum())
    tasteful = np.minimum(item // TASTES * TASTES + shopper % TASTES, items - 1)
    item = np.where(random.random(len(shopper)) < 0.6, tasteful, item)
    return shopper, item, random.integers(0, 3_650, len(shopper)) * 86_400, shoppers, items


def log_of(name: str) -> Log:
    return sparse_log() if name == SPARSE else generated(int(name))


def fit(name: str) -> dict[str, Any]:
    log = log_of(name)
    before = _memory_mb()
    return {**_measured(lambda: _fitted(log), _turns(log)), "log_mb": before}


def bm25(name: str) -> dict[str, Any]:
    from implicit.nearest_neighbours import BM25Recommender

    shopper, item, _, shoppers, items = log = log_of(name)
    before = _memory_mb()

    def learn() -> None:
        ones = np.ones(len(shopper), dtype=np.float32)
        taken = sparse.csr_matrix((ones, (shopper, item)), shape=(shoppers, items))
        BM25Recommender(K=20, num_threads=1).fit(taken, show_progress=False)

    return {**_measured(learn, _turns(log)), "log_mb": before}


def update(name: str) -> dict[str, Any]:
    """Each turn: 200 shoppers' histories and their 1,000 new events to neighbors that are true."""
    shopper, item, at, shoppers, items = log_of(name)
    random = np.random.default_rng(11)
    whole = _ordered((shopper, item, at, shoppers, items))
    model = fit_log(whole)
    cpu = time.process_time()
    growing = GrowingPairs(model.counts, model.factor, keep=KEEP)
    start = time.process_time() - cpu
    # Other shoppers in each turn, so that each turn's histories are those of the log.
    visitors = random.choice(np.unique(shopper), UPDATES * VISITORS, replace=False)
    later = int(at.max()) + 1
    turns, news = [], []
    for turn in np.split(visitors, UPDATES):
        who = np.sort(turn)
        histories = whole.of_shoppers(who)
        place = np.repeat(np.arange(len(who)), SESSION_EVENTS)
        new_item = item[random.integers(0, len(item), len(place))]
        news.append((who[place], new_item, later + np.arange(len(place))))
        cpu = time.process_time()
        now = in_order(
            np.concatenate([histories.shopper, place]),
            np.concatenate([histories.item, new_item]),
            np.concatenate([histories.at, news[-1][2]]),
            shoppers=len(who),
            items=items,
            seed=SEED,
            # Events of one moment are ordered by who took what, under the numbers of the log.
            names=(who, np.arange(items)),
        )
        change, _ = sequence_change(histories, now, KERNEL)
        changed = growing.add(change)
        evened(growing.strongest(changed), model.settings.evenness)
        turns.append(time.process_time() - cpu)
    del whole
    columns = [np.concatenate(column) for column in zip((shopper, item, at), *news, strict=True)]
    grown = _ordered((columns[0], columns[1], columns[2], shoppers, items))
    compared, unequal = _compared(growing, model, grown)
    everything = growing.strongest(np.arange(items))
    del growing, model
    return {
        "cpu_s": round(float(np.median(turns)), 4),
        "start_cpu_s": round(start, 3),
        "events": NEW_EVENTS,
        "rows_touched": len(touched_rows(change)),
        "rows_changed": len(changed),
        "rows_compared": compared,
        "rows_unequal": unequal,
        "top_as_fitted_anew": _shared_top(everything, fit_log(grown).neighbors),
        "peak_mb": _memory_mb(),
    }


def _compared(growing: GrowingPairs, model: LogModel, whole: Sequences) -> tuple[int, int]:
    """Rows of a full count of the log as it is now, and how many differ from what has grown."""
    compared = unequal = 0
    for first, block in count_blocks(whole, KERNEL):
        rows = np.arange(first, first + block.shape[0])
        again = leads_of(block, model.factor, keep=KEEP).sorted_indices()
        grown = growing.strongest(rows).sorted_indices()
        for row in range(len(rows)):
            one, other = grown[row], again[row]
            unequal += not (
                np.array_equal(one.indices, other.indices) and np.array_equal(one.data, other.data)
            )
        compared += len(rows)
        if compared >= MOST_COMPARED:
            break
    return compared, unequal


def _shared_top(one: sparse.csr_matrix, other: sparse.csr_matrix) -> float:
    """The share of a row's twenty strongest that are among the other's, on average."""
    in_one, in_other = (cut(matrix, TOP).astype(np.bool_) for matrix in (one, other))
    shared, of = in_one.multiply(in_other).sum(axis=1), in_other.sum(axis=1)
    return round(float((shared[of > 0] / of[of > 0]).mean()), 4)


def product(name: str) -> dict[str, Any]:
    """The nightly training of a shop with so many events, and an update of 1,000 after it."""
    environment.start()
    from django.db import connection
    from django.utils import timezone

    from bench import generated_shop
    from profiles.models import Event, Shopper
    from recommendations.neighbor_updates import update_neighbors
    from recommendations.training_run import train

    items = max(int(name) // 80, 200)
    generated_shop.make(items, shoppers=int(name) // generated_shop.EVENTS_PER_SHOPPER)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = int(cursor.fetchone()[0])

    def measured(work: Callable[[], object]) -> float:
        before = time.process_time() + _cpu_of(backend)
        work()
        return round(time.process_time() + _cpu_of(backend) - before, 3)

    trained = measured(lambda: train(timezone.now()))
    random = np.random.default_rng(13)
    shoppers = random.choice(
        list(Shopper.objects.values_list("pk", flat=True)), min(VISITORS, int(name) // 100)
    )
    sold = list(Event.stored.order_by("pk").values_list("item_id", flat=True)[:50_000])
    updates = []
    for _ in range(UPDATES):
        now = timezone.now()
        Event.stored.bulk_create(
            Event(
                shopper_id=int(shopper),
                kind="view",
                item_id=sold[int(random.integers(len(sold)))],
                occurred_at=now - timedelta(seconds=int(random.integers(1, 600))),
                received_at=now,
            )
            for shopper in np.repeat(shoppers, SESSION_EVENTS)
        )
        updates.append(measured(lambda: update_neighbors(timezone.now())))
    return {"train_cpu_s": trained, "update_cpu_s": float(np.median(updates))}


def _cpu_of(process: int) -> float:
    """CPU seconds of a process of this machine; 0 of one elsewhere."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _fitted(log: Log) -> LogModel:
    return fit_log(_ordered(log), keep=KEEP)


def _ordered(log: Log) -> Sequences:
    shopper, item, at, shoppers, items = log
    return in_order(shopper, item, at, shoppers=shoppers, items=items, seed=SEED)


def _turns(log: Log) -> int:
    """How often to measure: a second and its noise more often than a minute."""
    return 9 if len(log[0]) <= 1_000_000 else 3 if len(log[0]) <= 10_000_000 else 1


def _measured(work: Callable[[], object], turns: int) -> dict[str, Any]:
    seconds = []
    for _ in range(turns):
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        seconds.append((time.process_time() - cpu, time.perf_counter() - wall))
    cpu_s, wall_s = np.median(seconds, axis=0)
    return {
        "cpu_s": round(float(cpu_s), 3),
        "wall_s": round(float(wall_s), 3),
        "turns": turns,
        "peak_mb": _memory_mb(),
    }


def _memory_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


PARTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "fit": fit,
    "bm25": bm25,
    "update": update,
    "product": product,
}

if __name__ == "__main__":
    main()
