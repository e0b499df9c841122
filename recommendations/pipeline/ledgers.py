"""The exact ledger of the items that are served: every contribution, owed to one signal each.

An item's score is the sum of its contributions, and each depends on its own signal only; so the
score without a signal is the score less that signal's contributions.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from profiles.signals import Signal, SignalKind
from recommendations.pipeline.arrays import half_vectors
from recommendations.pipeline.candidates import PoolItem
from recommendations.pipeline.memory import Content, Memory
from recommendations.pipeline.ranking import own_amount
from recommendations.pipeline.rulebook import Verdict
from recommendations.scoring import CONSIDERED_KINDS, Blend
from recommendations.values import Entry, Ledger, SignalRef

Entries = dict[int, list[Entry]]


def write_ledgers(
    items: Sequence[PoolItem],
    *,
    signals: Sequence[Signal],
    weights: Sequence[float],
    memory: Memory,
    content: Content | None,
    blend: Blend,
    verdict: Verdict,
) -> dict[int, Ledger]:
    """Every contribution to each of `items`, by item id. They share one table of signals.

    `verdict` is what the rules say of the same items.
    """
    table = [SignalRef.of(signal) for signal in signals]
    entries: Entries = {item.item_id: [] for item in items}
    _add_history(entries, signals, weights, memory, blend)
    if content is not None and blend.content:
        _add_content(entries, items, content, blend)
    _add_facts(entries, items, table, blend)
    _add_rules(entries, items, table, verdict)
    return {item: Ledger(table, found) for item, found in entries.items()}


def _add_history(
    entries: Entries,
    signals: Sequence[Signal],
    weights: Sequence[float],
    memory: Memory,
    blend: Blend,
) -> None:
    said: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
    for index, (signal, weight) in enumerate(zip(signals, weights, strict=True)):
        if not weight:
            continue
        said[signal.item].append((index, blend.neighbors * weight))
        own = entries.get(signal.item)
        if own is not None and (amount := own_amount(signal, weight, memory, blend)):
            generator = "revisit" if signal.kind in CONSIDERED_KINDS else "buy_again"
            own.append((index, generator, amount))
    if not blend.neighbors:
        return
    if not entries:
        return
    # A look-up in a sorted list: numpy's `isin` sorts all the neighbors instead.
    wanted = np.sort(np.fromiter(entries, np.int64, len(entries)))
    places = np.minimum(np.searchsorted(wanted, memory.items), len(wanted) - 1)
    at = np.flatnonzero(wanted[places] == memory.items)
    for item, owner, similarity in zip(
        memory.items[at].tolist(),
        memory.owners[at].tolist(),
        memory.weights[at].tolist(),
        strict=True,
    ):
        found = entries[item]
        for index, weight in said[memory.learned[owner]]:
            found.append((index, "neighbors", weight * similarity))


def _add_content(
    entries: Entries, items: Sequence[PoolItem], content: Content, blend: Blend
) -> None:
    embedded = [(item.item_id, item.vector) for item in items if item.vector is not None]
    if not embedded:
        return
    likeness = half_vectors([vector for _, vector in embedded]) @ content.vectors.T
    amounts = (likeness * (blend.content * content.weights)).tolist()
    for (item, _), row in zip(embedded, amounts, strict=True):
        entries[item] += [
            (index, "content", amount) for index, amount in zip(content.indices, row, strict=True)
        ]


def _add_facts(
    entries: Entries, items: Sequence[PoolItem], table: list[SignalRef], blend: Blend
) -> None:
    for item in items:
        for kind, generator, amount in (
            (SignalKind.POPULAR, "popularity", blend.popularity * item.popularity),
            (SignalKind.TRENDING, "trend", blend.trend * item.trend),
            (SignalKind.TRENDING, "trend_now", blend.trend * item.trend_now),
        ):
            if amount:
                entries[item.item_id].append((len(table), generator, amount))
                table.append(SignalRef(kind, item_id=item.item_id))


def _add_rules(
    entries: Entries, items: Sequence[PoolItem], table: list[SignalRef], verdict: Verdict
) -> None:
    for index, item in enumerate(items):
        for rule in verdict.of(index):
            entries[item.item_id].append((len(table), "rule", rule.added))
            table.append(SignalRef(SignalKind.RULE, name=rule.name))
