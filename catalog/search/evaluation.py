"""How good an order is, by what people judged of it: nDCG, and what of it was judged at all."""

import csv
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Final

TOP: Final = 10
DEPTH: Final = 100
RELEVANT: Final = 2.0
"""A product rated so is what was looked for; recall is of those."""

Judgments = dict[str, dict[str, float]]
"""By query, by product: the rating, from 0 up."""


@dataclass(frozen=True, slots=True)
class SearchQuality:
    """Averages over the queries that have a relevant product, from 0 to 1."""

    queries: int
    ndcg: float
    """At 10: gain 2^rating - 1, discount log2(rank + 1), ideal from all ratings; what was not
    judged gains nothing (Järvelin and Kekäläinen 2002, with the exponential gain)."""
    judged: float
    """The share of the first 10 places that holds a judged product; empty places do not."""
    condensed_ndcg: float
    """nDCG at 10 of the order with all that was not judged left out (Sakai 2007)."""
    recall: float
    """At 100, of products rated 2 or better; over the queries that have one."""

    def as_json(self) -> dict[str, float | int]:
        return {
            "queries": self.queries,
            "ndcg10": round(self.ndcg, 4),
            "judged10": round(self.judged, 4),
            "condensed_ndcg10": round(self.condensed_ndcg, 4),
            "recall100": round(self.recall, 4),
        }


def read_judgments(path: Path) -> Judgments:
    """A CSV file with a header and the columns query, product (or docid) and rating.

    Raises ValueError for a file without them, or a rating that is no number from 0 to 10.
    """
    judgments: Judgments = {}
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        names = set(reader.fieldnames or ())
        product = "docid" if "docid" in names and "product" not in names else "product"
        if missing := {"query", product, "rating"} - names:
            raise ValueError(f"The judgments have no column {', '.join(sorted(missing))}.")
        for number, row in enumerate(reader, start=2):
            try:
                rating = float(row["rating"])
            except (TypeError, ValueError):
                raise ValueError(f"Line {number}: {row['rating']!r} is no rating.") from None
            if not 0 <= rating <= 10:
                raise ValueError(f"Line {number}: a rating is from 0 to 10, not {rating}.")
            judgments.setdefault(row["query"], {})[row[product]] = rating
    return judgments


def measure(judgments: Judgments, search: Callable[[str], Sequence[str]]) -> SearchQuality:
    """The quality of what `search` answers: the products of a query, best first, 100 or more.

    Queries without any relevant product say nothing about an order, and are left out.
    """
    asked = [query for query, ratings in judgments.items() if any(ratings.values())]
    found = {query: search(query) for query in asked}
    recalls = [
        recall for query in asked if (recall := _recall(found[query], judgments[query])) is not None
    ]
    return SearchQuality(
        queries=len(asked),
        ndcg=_mean(ndcg(found[query], judgments[query]) for query in asked),
        judged=_mean(
            sum(product in judgments[query] for product in found[query][:TOP]) / TOP
            for query in asked
        ),
        condensed_ndcg=_mean(
            ndcg(
                [product for product in found[query] if product in judgments[query]],
                judgments[query],
            )
            for query in asked
        ),
        recall=_mean(recalls),
    )


def ndcg(found: Sequence[str], ratings: Mapping[str, float]) -> float:
    """Of the first 10; 0 where nothing is relevant."""
    gained = _discounted([ratings.get(product, 0.0) for product in found[:TOP]])
    ideal = _discounted(sorted(ratings.values(), reverse=True)[:TOP])
    return gained / ideal if ideal else 0.0


def _discounted(ratings: Sequence[float]) -> float:
    return math.fsum(
        (2**rating - 1) / math.log2(place + 1) for place, rating in enumerate(ratings, start=1)
    )


def _recall(found: Sequence[str], ratings: Mapping[str, float]) -> float | None:
    wanted = {product for product, rating in ratings.items() if rating >= RELEVANT}
    if not wanted:
        return None
    return len(wanted & set(found[:DEPTH])) / min(len(wanted), DEPTH)


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return fmean(numbers) if numbers else 0.0
