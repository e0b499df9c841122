"""The exact ledger of the items that are served: every contribution, owed to one signal each.

An item's score is the sum of its contributions, and each depends on its own signal only; so the
score without a signal is the score less that signal's contributions.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from profiles.signals import Signal, SignalKind
from recommendations.pipeline.candidates import PoolItem
from recommendations.pipeline.memory import Memory, Vector, content_counts
from recommendations.pipeline.ranking import RuleBook, own_amount, rule_amount
from recommendations.scoring import OWNED_KINDS, Blend
from recommendations.values import Entry, Ledger, SignalRef


class LedgerBook:
    """The ledgers of one request's items, written in two steps.

    `add_history` needs no more than is known already, `add_content` the items' vectors. Between
    the two `to_be_named` tells which titles a reason may need.
    """

    def __init__(
        self,
        items: Iterable[PoolItem],
        *,
        signals: Sequence[Signal],
        weights: Sequence[float],
        memory: Memory,
        blend: Blend,
        rules: RuleBook,
    ) -> None:
        self._items = {item.item_id: item for item in items}
        self._entries: dict[int, list[Entry]] = {item: [] for item in self._items}
        self._signals = signals
        self._weights = weights
        self._memory = memory
        self._blend = blend
        self._table = [SignalRef.of(signal) for signal in signals]
        self._add_facts()
        self._add_rules(rules)
        self._add_history()

    def ledgers(self) -> dict[int, Ledger]:
        """The ledgers so far, by item."""
        return {item: Ledger(self._table, entries) for item, entries in self._entries.items()}

    def to_be_named(self, may_cite: frozenset[str]) -> set[int]:
        """For each item, what the strongest citable contribution so far is about."""
        table = self._table
        named: set[int] = set()
        for entries in self._entries.values():
            best, strongest = None, 0.0
            for index, _, amount in entries:
                if amount > strongest and table[index].kind in may_cite:
                    best, strongest = table[index].item_id, amount
            if best is not None:
                named.add(best)
        return named

    def add_content(self, vectors: Mapping[int, Vector], *, now: float) -> None:
        """What each signal adds to the items with these vectors by being alike in content."""
        heard = [
            (index, self._blend.content * weight)
            for index, (signal, weight) in enumerate(zip(self._signals, self._weights, strict=True))
            if weight and signal.item in self._memory.vectors and content_counts(signal, now)
        ]
        if not heard or not vectors or not self._blend.content:
            return
        theirs = np.stack([self._memory.vectors[self._signals[index].item] for index, _ in heard])
        amounts = (np.stack(list(vectors.values())) @ theirs.T) * [weight for _, weight in heard]
        for item, row in zip(vectors, amounts.tolist(), strict=True):
            self._entries[item] += [
                (index, "content", amount) for (index, _), amount in zip(heard, row, strict=True)
            ]

    def _add_history(self) -> None:
        memory, blend = self._memory, self._blend
        said: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
        for index, (signal, weight) in enumerate(zip(self._signals, self._weights, strict=True)):
            if not weight:
                continue
            said[signal.item].append((index, blend.neighbors * weight))
            entries = self._entries.get(signal.item)
            if entries is not None and (amount := own_amount(signal, weight, memory, blend)):
                generator = "buy_again" if signal.kind in OWNED_KINDS else "revisit"
                entries.append((index, generator, amount))
        if not blend.neighbors:
            return
        served = np.fromiter(self._entries, np.int64, len(self._entries))
        at = np.flatnonzero(np.isin(memory.items, served))
        for item, owner, similarity in zip(
            memory.items[at].tolist(),
            memory.owners[at].tolist(),
            memory.weights[at].tolist(),
            strict=True,
        ):
            entries = self._entries[item]
            for index, weight in said[memory.learned[owner]]:
                entries.append((index, "neighbors", weight * similarity))

    def _add_facts(self) -> None:
        for item, entries in self._entries.items():
            facts = self._items[item]
            for kind, generator, amount in (
                (SignalKind.POPULAR, "popularity", self._blend.popularity * facts.popularity),
                (SignalKind.TRENDING, "trend", self._blend.trend * facts.trend),
            ):
                if amount:
                    entries.append((self._index(SignalRef(kind, item_id=item)), generator, amount))

    def _add_rules(self, rules: RuleBook) -> None:
        for item, entries in self._entries.items():
            for rule in rules.matching(self._items[item]):
                index = self._index(SignalRef(SignalKind.RULE, name=rule.name))
                entries.append((index, "rule", rule_amount(rule)))

    def _index(self, ref: SignalRef) -> int:
        self._table.append(ref)
        return len(self._table) - 1
