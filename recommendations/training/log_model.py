"""Train on any event log: neighbors by counting, with settings chosen on held-out last items.

Plain arrays in, one sparse matrix out. Like the product's own training, but for logs that have no
kinds of event and no clock to trust: what of a history counts is decided by places, not days.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recommendations.training.counting import Kernel, count_blocks, count_pairs, popularity
from recommendations.training.keeping import joined, most_kept, partners_kept
from recommendations.training.neighbors import (
    POOL_DAMPING,
    cuts,
    damped,
    evened,
    leading,
    leads_of,
    row_maxima,
    weigh,
)
from recommendations.training.sequences import IntArray, Sequences

FloatArray = npt.NDArray[np.float64]

KERNEL = Kernel(reach=12, decay=0.5, backward=0.7)
TRIED_KEPT, TRIED_EVENTS = 60, 10
"""Settings are tried with so many neighbors an item, over the latest events of a history."""
RECENT_SHARE = 0.1
"""The last tenth of a log is what momentum takes for now."""
MOMENTUM_PRIOR = 10.0

LEAST_CHOOSERS, MOST_CHOOSERS, EVENTS_A_CHOOSER = 400, 2_000, 600
"""How many shoppers choose: one for so many events, within bounds, so that choosing stays cheap."""
DEPTH = 50
"""A held-out item further down is as good as not found."""
MIN_GAIN = 0.005
"""A setting is changed for a relative gain above this."""
MIN_CHOOSERS = 30
POPULAR = 1e-6
"""Weight of popularity, which ranks what no neighbor speaks for."""


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is chosen for a log.

    An event counts `fading` times what the next one of its shopper counts. `damping` and
    `evenness` are those of `NeighborRecipe`. `momentum` is the power of an item's share of recent
    events over its share of all. `own` is what an item of the history adds to itself.
    """

    fading: float = 0.8
    damping: float = 0.5
    evenness: float = 0.5
    momentum: float = 0.0
    own: float = 0.0

    def turned(self, *, repeats: bool) -> list[list["LogSettings"]]:
        """The settings to try next to these, a list for each knob."""
        knobs: list[tuple[str, tuple[float, ...]]] = [
            ("fading", (0.5, 0.65, 0.9, 0.95)),
            ("evenness", (0.0, 1.0)),
            ("damping", (0.3, 0.7)),
            ("momentum", (0.5,)),
        ]
        if repeats:
            knobs.append(("own", (1.0, 4.0)))
        return [[replace(self, **{name: value}) for value in values] for name, values in knobs]


@dataclass(frozen=True, slots=True)
class LogModel:
    """What was learned. `neighbors` is items by items, `popularity` in 0-1 an element an item.

    They were learned from `counts`, times the `factor` of the item that a count leads to.
    """

    neighbors: sparse.csr_matrix
    popularity: FloatArray
    settings: LogSettings
    counts: sparse.csr_matrix
    factor: FloatArray

    def scores(self, histories: Sequences) -> npt.NDArray[np.float32]:
        """Shoppers by items: a sum over the events of each history, and a little popularity."""
        weights = history_weights(histories, self.settings.fading)
        scores = np.asarray((weights @ self.neighbors).toarray(), dtype=np.float32)
        scores += (POPULAR * self.popularity).astype(np.float32)
        return scores


def fit_log(
    sequences: Sequences, *, keep: int = 200, repeats: bool = False, seed: int = 7
) -> LogModel:
    """Choose settings on the last items of a sample of shoppers, and learn from everything.

    Pairs are counted once, the sample's held-out events taken off again for the choice. Memory:
    12 bytes a pair kept, `MOST_PAIRS` of them at most, 80 bytes an event, and a block.
    `repeats`: may an item of the history come again? Any log will do, an empty one too.
    """
    popular = popularity(sequences)
    recent = _recent_share(sequences, popular)
    pool, tried = _pools(sequences, popular)
    chosen = LogSettings()
    held = _hold_out(sequences, repeats=repeats, seed=seed)
    if held is not None:
        chosen = _choose(tried, popular, recent, held, repeats=repeats)
    factor = _factor(popular, recent, chosen)
    leads = leads_of(pool, factor, keep=keep)
    neighbors = _with_own(evened(leads, chosen.evenness), chosen.own)
    return LogModel(
        # Not by `astype`, which would sort every row for it.
        neighbors=sparse.csr_matrix(
            (neighbors.data.astype(np.float32), neighbors.indices, neighbors.indptr),
            shape=neighbors.shape,
        ),
        popularity=popular / max(float(popular.max(initial=0.0)), 1.0),
        settings=chosen,
        counts=pool,
        factor=factor,
    )


def history_weights(histories: Sequences, fading: float) -> sparse.csr_matrix:
    """Shoppers by items: what each item of a history counts; its events add up."""
    weights = histories.weight * fading ** histories.back()
    counted = weights > 1e-4  # beyond it, a history has no say in a list of any length
    return sparse.csr_matrix(
        (weights[counted], (histories.shopper[counted], histories.item[counted])),
        shape=(histories.shoppers, histories.items),
    )


@dataclass(frozen=True, slots=True)
class _HeldOut:
    """Some shoppers without their last item: what they had before it, and which it was."""

    before: Sequences
    whole: Sequences
    target: IntArray


def _pools(
    sequences: Sequences, popular: FloatArray
) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """The counts of the pairs that may become neighbors; and fewer, to try settings with."""
    factor = damped(popular, POOL_DAMPING)
    if not len(sequences):
        nothing = sparse.csr_matrix((sequences.items, sequences.items), dtype=np.float64)
        return nothing, nothing
    occurrences = sequences.occurrences()
    keep = partners_kept(occurrences, KERNEL.reach)
    tried: list[sparse.csr_matrix] = []

    def pool() -> Iterator[sparse.csr_matrix]:
        for _, block in count_blocks(sequences, KERNEL):
            kept, few = cuts(block, (keep, TRIED_KEPT), by=leading(block, factor))
            tried.append(few)
            yield kept

    most = most_kept(occurrences, KERNEL.reach, keep)
    kept = joined(pool(), columns=sequences.items, most=most)
    return kept, sparse.vstack(tried, format="csr")


def _factor(popular: FloatArray, recent: FloatArray, settings: LogSettings) -> FloatArray:
    return np.asarray(damped(popular, settings.damping) * recent**settings.momentum)


def _with_own(neighbors: sparse.csr_matrix, own: float) -> sparse.csr_matrix:
    """With what an item adds to itself: `own` times the average row's largest weight."""
    if not own or not neighbors.nnz:
        return neighbors
    largest = row_maxima(neighbors.data, neighbors.indptr)
    itself = own * float(largest[largest > 0].mean())
    return (neighbors + itself * sparse.identity(neighbors.shape[0], format="csr")).tocsr()


def _recent_share(sequences: Sequences, popular: FloatArray) -> FloatArray:
    """Per item, its share of the last tenth of the log over its share of all; 1 for the average."""
    if not len(sequences):
        return np.ones(sequences.items)
    since = np.quantile(sequences.at, 1 - RECENT_SHARE)
    late = sequences.item[sequences.at >= since]
    recently = np.bincount(late, minlength=sequences.items)
    average = len(late) / len(sequences)
    return np.asarray((recently + MOMENTUM_PRIOR * average) / (popular + MOMENTUM_PRIOR) / average)


def _hold_out(sequences: Sequences, *, repeats: bool, seed: int) -> _HeldOut | None:
    """A sample of shoppers whose last item is held out; None when there are too few of them."""
    able = np.flatnonzero(sequences.lengths() > 1)
    size = int(np.clip(len(sequences) // EVENTS_A_CHOOSER, LEAST_CHOOSERS, MOST_CHOOSERS))
    if len(able) > size:
        able = np.sort(np.random.default_rng(seed).choice(able, size, replace=False))
    whole = sequences.of_shoppers(able)
    last = np.zeros(len(whole), dtype=np.bool_)
    last[whole.starts[1:] - 1] = True
    before, target = whole.where(~last), whole.item[last]
    if not repeats:
        # An item of the history cannot come again, so it cannot be foreseen either.
        again = before.item == target[before.shopper]
        fresh = np.flatnonzero(np.bincount(before.shopper[again], minlength=len(able)) == 0)
        before, whole, target = before.of_shoppers(fresh), whole.of_shoppers(fresh), target[fresh]
    return _HeldOut(before, whole, target) if len(target) >= MIN_CHOOSERS else None


def _choose(
    tried: sparse.csr_matrix,
    popular: FloatArray,
    recent: FloatArray,
    held: _HeldOut,
    *,
    repeats: bool,
) -> LogSettings:
    """One setting after the other, each where the held-out items come out highest."""
    trial = _Trial(tried, popular, recent, held, repeats=repeats)
    settings = LogSettings()
    best = trial.worth(settings)
    for knob in range(len(settings.turned(repeats=repeats))):
        for other in settings.turned(repeats=repeats)[knob]:
            if (tried := trial.worth(other)) > best * (1 + MIN_GAIN):
                settings, best = other, tried
    return settings


class _Trial:
    """Every amount that an event of a history hands to an item, laid out once for all settings.

    One element of `_source`, `_event` and `_cell` is one amount: the stored neighbor it comes
    from, the event, and the cell, a shopper and an item, that it is added to.
    """

    def __init__(
        self,
        tried: sparse.csr_matrix,
        popular: FloatArray,
        recent: FloatArray,
        held: _HeldOut,
        *,
        repeats: bool,
    ) -> None:
        self._popular, self._recent = popular, recent
        self._latest = latest = held.before.where(held.before.back() < TRIED_EVENTS)
        self._back = latest.back()
        items = tried.shape[0]
        met, row = np.unique(latest.item, return_inverse=True)
        self._known = known = _without(tried[met], held, met)
        handed = np.diff(known.indptr)[row]
        event = np.repeat(np.arange(len(latest)), handed)
        source = np.arange(len(event)) + np.repeat(
            known.indptr[row] - np.concatenate([[0], np.cumsum(handed)[:-1]]), handed
        )
        cell = latest.shopper[event] * items + known.indices[source]
        if repeats:
            # An item's own share of its history comes last: `worth` adds it there.
            cell = np.concatenate([cell, latest.shopper * items + latest.item])
        else:
            unseen = ~np.isin(cell, held.before.shopper * items + held.before.item)
            event, source, cell = event[unseen], source[unseen], cell[unseen]
        self._event, self._source, self._repeats = event, source, repeats
        cells, self._cell = np.unique(cell, return_inverse=True)
        self._shopper = cells // items
        wanted = np.arange(held.before.shoppers) * items + held.target
        place = np.minimum(np.searchsorted(cells, wanted), max(len(cells) - 1, 0))
        self._place = np.where(cells[place] == wanted, place, -1) if len(cells) else place - 1

    def worth(self, settings: LogSettings) -> float:
        """Mean of 1 / log2(rank + 1) of the held-out items, 0 beyond `DEPTH`; ties count half."""
        factor = _factor(self._popular, self._recent, settings)
        neighbors = weigh(self._known, factor, evenness=settings.evenness)
        by_event = settings.fading**self._back
        amounts = neighbors.data[self._source] * by_event[self._event]
        if self._repeats:
            largest = row_maxima(neighbors.data, neighbors.indptr)
            itself = settings.own * (float(largest[largest > 0].mean()) if largest.any() else 1.0)
            amounts = np.concatenate([amounts, itself * by_event])
        scores = np.bincount(self._cell, weights=amounts)
        target = np.where(self._place >= 0, scores[self._place], 0.0)
        by_cell = target[self._shopper]
        shoppers = len(target)
        above = np.bincount(self._shopper[scores > by_cell], minlength=shoppers)
        level = np.bincount(self._shopper[scores == by_cell], minlength=shoppers)
        rank = above + np.maximum(level - 1, 0) / 2
        found = (target > 0) & (rank < DEPTH)
        return float(np.where(found, 1 / np.log2(rank + 2), 0.0).mean())


def _without(counts: sparse.csr_matrix, held: _HeldOut, rows: IntArray) -> sparse.csr_matrix:
    """The counts of some rows without the pairs of the held-out events."""
    near = held.whole.where(held.whole.back() <= KERNEL.reach)
    before = near.where(near.back() > 0)
    taken_off = count_pairs(near, KERNEL) - count_pairs(before, KERNEL)
    # There and back sorts the columns, far faster than the subtraction would by itself.
    known = (counts.tocsc().tocsr() - taken_off[rows]).tocsr()
    known.data[known.data < 1e-9] = 0
    known.eliminate_zeros()
    return known
