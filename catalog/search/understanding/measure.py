"""How much of what shoppers demand is understood: precision and recall against stated truth."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from catalog.search.understanding.understand import Understanding, understand
from catalog.search.understanding.vocabulary import Term, Vocabulary
from catalog.search.values import ATTRIBUTE

Bound = tuple[Decimal | None, Decimal | None]
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class LabeledQuery:
    """A query with what it demands: the price bound, if any, and the values of attributes."""

    query: str
    price: Bound | None
    options: frozenset[Pair]


def read_labeled(row: Mapping[str, Any]) -> LabeledQuery:
    """One row of the shopping-queries format: `query`, and `reward` with `price`, `attributes`
    and `sku_options`. Raises KeyError or ValueError."""
    reward = row["reward"]
    price: Bound | None = None
    for condition in reward.get("price", ()):
        for kind, (low, high) in condition.items():
            price = _bound(kind, low, high)
    options: set[Pair] = set()
    for group in ("attributes", "sku_options"):
        for described in reward.get(group, ()):
            for name, values in described.items():
                listed = values if isinstance(values, list) else [values]
                options |= {(name.casefold(), str(value).casefold()) for value in listed}
    return LabeledQuery(str(row["query"]), price, frozenset(options))


def vocabulary_of(rows: Iterable[LabeledQuery], *, currencies: Iterable[str]) -> Vocabulary:
    """What a catalog of all the products asked for would have words for. Which query a value came
    from is not kept, so nothing of one query's truth helps to understand it."""
    counted = Counter(pair for row in rows for pair in row.options)
    terms = (
        Term(_field(name), value, items=items) for (name, value), items in sorted(counted.items())
    )
    return Vocabulary(tuple(terms), frozenset(currencies))


def measure(rows: Sequence[LabeledQuery], vocabulary: Vocabulary) -> dict[str, Any]:
    """Shares over all rows: of the price bounds found, how many are exactly those demanded
    (precision), and of those demanded, how many were found (recall); the same of options, as
    pairs of attribute and value, and as values alone. Everything stated counts, offered or
    applied."""
    prices, pairs, values = Tally(), Tally(), Tally()
    queries_right = 0
    for row in rows:
        understood = understand(row.query, vocabulary)
        price = _price_of(understood)
        found = _options_of(understood)
        prices.add({price} - {None}, {row.price} - {None})
        pairs.add(found, row.options)
        values.add({value for _, value in found}, {value for _, value in row.options})
        queries_right += price == row.price and found == row.options
    return {
        "queries": len(rows),
        **prices.shares("price"),
        **pairs.shares("option"),
        **values.shares("option_value"),
        "queries_exact": round(queries_right / len(rows), 4) if rows else None,
    }


class Tally:
    """Counts of what was found, of what was demanded, and of what was both."""

    def __init__(self) -> None:
        self.found = self.demanded = self.right = 0

    def add(self, found: Iterable[object], demanded: Iterable[object]) -> None:
        found, demanded = set(found), set(demanded)
        self.found += len(found)
        self.demanded += len(demanded)
        self.right += len(found & demanded)

    def shares(self, name: str) -> dict[str, float | int | None]:
        return {
            f"{name}_precision": round(self.right / self.found, 4) if self.found else None,
            f"{name}_recall": round(self.right / self.demanded, 4) if self.demanded else None,
            f"{name}_demanded": self.demanded,
        }


def _bound(kind: str, low: Any, high: Any) -> Bound:
    ends = [None if end is None else Decimal(str(end)) for end in (low, high)]
    match kind:
        case "greater than" | "between" | "less than":
            # "less than" names its one number first, or second.
            if kind == "less than" and ends[1] is None:
                ends.reverse()
            return ends[0], ends[1]
    raise ValueError(f"No kind of price condition: {kind}")


def _price_of(understood: Understanding) -> Bound | None:
    for constraint in understood.constraints:
        if constraint.filter.field == "price":
            return constraint.filter.at_least, constraint.filter.at_most
    return None


def _options_of(understood: Understanding) -> set[Pair]:
    return {
        (constraint.filter.field.removeprefix(ATTRIBUTE), value)
        for constraint in understood.constraints
        for value in constraint.filter.values
        if not constraint.filter.negated
    }


def _field(name: str) -> str:
    return name if name == "brand" else ATTRIBUTE + name
