"""How much of what shoppers demand in words becomes the right filter: `make bench-understanding`.

The 125 shopping queries of `shopping-queries`, each with the price bound and the attribute values
that it demands. The vocabulary is that of all the products asked for together, as a shop that
sells them would have it; which query a value came from is not known to it. A price bound counts
if both of its ends are exact; an option if both the attribute's name and its value are. The
baseline, in the same run, takes every value of the vocabulary that occurs in the query for an
option, and the first number after "above", "over", "under" or "below" for a bound. Wordings were
developed on the first half of the file only: `held_out` is the second half. `milliseconds` is the
mean time of one query on one core.
"""

import json
import re
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.environment import DATA, report, skip
from catalog.search.understanding.measure import (
    Bound,
    LabeledQuery,
    Tally,
    measure,
    read_labeled,
    vocabulary_of,
)
from catalog.search.understanding.understand import understand

QUERIES = DATA / "shopping-queries" / "product-queries.jsonl"
CURRENCY = "PHP"


def plain_matching(rows: list[LabeledQuery]) -> dict[str, Any]:
    """The baseline: values as they are written, wherever they occur."""
    values = {pair for row in rows for pair in row.options}
    prices, options = Tally(), Tally()
    for row in rows:
        text = row.query.casefold()
        found = {pair for pair in values if re.search(rf"\b{re.escape(pair[1])}\b", text)}
        options.add(found, row.options)
        prices.add({plain_bound(text)} - {None}, {row.price} - {None})
    return {**prices.shares("price"), **options.shares("option")}


def plain_bound(text: str) -> Bound | None:
    match = re.search(r"\b(above|over|under|below) (\d+)", text)
    if match is None:
        return None
    amount = Decimal(match[2])
    return (amount, None) if match[1] in {"above", "over"} else (None, amount)


def main() -> None:
    if not QUERIES.is_file():
        skip("understanding", f"{QUERIES.name} is not there")
    lines = QUERIES.read_text(encoding="utf-8").splitlines()
    rows = [read_labeled(json.loads(line)) for line in lines]
    vocabulary = vocabulary_of(rows, currencies=[CURRENCY])
    held_out = rows[(len(rows) + 1) // 2 :]
    started = time.process_time()
    for row in rows:
        understand(row.query, vocabulary)
    milliseconds = (time.process_time() - started) / len(rows) * 1000
    report(
        bench="understanding",
        **measure(rows, vocabulary),
        milliseconds=round(milliseconds, 3),
        held_out=measure(held_out, vocabulary),
        plain_matching=plain_matching(rows),
    )


if __name__ == "__main__":
    main()
