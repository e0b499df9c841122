"""In what order did each shopper meet items: events as one sequence per shopper."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float32]

KEY_BITS = 63
"""What a signed integer offers to sort by two numbers at once."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)


@dataclass(frozen=True, slots=True)
class Sequences:
    """Events sorted by shopper, then time; each shopper's are neighbors in the arrays.

    `weight` is what an event counts as part of a pair. `starts` has one element a shopper and
    one more: the events of shopper s are `starts[s]` to `starts[s + 1]`.
    """

    shopper: IntArray
    item: IntArray
    at: IntArray
    weight: Reals
    starts: IntArray
    items: int

    def __len__(self) -> int:
        return len(self.item)

    @property
    def shoppers(self) -> int:
        return len(self.starts) - 1

    def lengths(self) -> IntArray:
        """How many events each shopper has."""
        return np.diff(self.starts)

    def occurrences(self) -> IntArray:
        """How many events each item has."""
        return np.bincount(self.item, minlength=self.items)

    def back(self) -> IntArray:
        """Per event, how many events of the same shopper come after it."""
        return self.starts[self.shopper + 1] - 1 - np.arange(len(self))

    def where(self, mask: npt.NDArray[np.bool_]) -> "Sequences":
        """The events where `mask` is true, of the same shoppers and items."""
        kept = np.concatenate([[0], np.cumsum(mask)])
        return Sequences(
            shopper=self.shopper[mask],
            item=self.item[mask],
            at=self.at[mask],
            weight=self.weight[mask],
            starts=kept[self.starts].astype(np.int64),
            items=self.items,
        )

    def of_shoppers(self, shoppers: IntArray) -> "Sequences":
        """The sequences of some shoppers, who become 0, 1, … in the given order."""
        lengths = self.starts[shoppers + 1] - self.starts[shoppers]
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        row = np.repeat(np.arange(len(shoppers)), lengths)
        event = np.arange(len(row)) - starts[row] + self.starts[shoppers][row]
        return Sequences(
            shopper=row,
            item=self.item[event],
            at=self.at[event],
            weight=self.weight[event],
            starts=starts,
            items=self.items,
        )


def in_order(
    shopper: IntArray,
    item: IntArray,
    at: IntArray,
    *,
    shoppers: int,
    items: int,
    seed: int,
    weight: Reals | None = None,
    names: tuple[IntArray, IntArray] | None = None,
) -> Sequences:
    """The events in order; `shopper` and `item` are codes from 0, `at` any rising number.

    Events of one shopper and time have no order: they get a random one that depends on seed,
    shopper and item alone, so that neither the order of the log nor other events change it. Where
    codes may differ from one log to the next, `names` has a lasting number for each shopper and
    item. Of an item that occurs more than once at one moment the weightiest event stays.
    """
    if weight is None:
        weight = np.ones(len(item), dtype=np.float32)
    order = _order(shopper, at, shoppers)
    shopper, item, at, weight = shopper[order], item[order], at[order], weight[order]
    tied = np.zeros(len(item) + 1, dtype=np.bool_)
    tied[1:-1] = (shopper[1:] == shopper[:-1]) & (at[1:] == at[:-1])
    if tied.any():
        _settle_ties(shopper, item, weight, tied, seed=seed, names=names)
        again = np.zeros(len(item), dtype=np.bool_)
        again[1:] = tied[1:-1] & (item[1:] == item[:-1])
        if again.any():
            kept = ~again
            weight = np.maximum.reduceat(weight, np.flatnonzero(kept))
            shopper, item, at = shopper[kept], item[kept], at[kept]
    return Sequences(
        shopper=shopper,
        item=item,
        at=at,
        weight=weight,
        starts=np.searchsorted(shopper, np.arange(shoppers + 1)).astype(np.int64),
        items=items,
    )


def _order(shopper: IntArray, at: IntArray, shoppers: int) -> IntArray:
    if not len(at):
        return np.zeros(0, dtype=np.int64)
    first = int(at.min())
    bits = (int(at.max()) - first).bit_length()
    if shoppers.bit_length() + bits > KEY_BITS:
        return np.lexsort((at, shopper))
    return np.argsort((shopper << bits) + (at - first))


def _settle_ties(
    shopper: IntArray,
    item: IntArray,
    weight: Reals,
    tied: npt.NDArray[np.bool_],
    *,
    seed: int,
    names: tuple[IntArray, IntArray] | None,
) -> None:
    """Order the events of each moment by a hash of shopper and item. In place."""
    event = np.flatnonzero(tied[:-1] | tied[1:])
    moment = np.cumsum(~tied[:-1])[event]
    who, what = shopper[event], item[event]
    if names is not None:
        who, what = names[0][who], names[1][what]
    hashed = who.astype(np.uint64) * _GOLDEN + np.uint64(seed)
    hashed = (hashed ^ (hashed >> np.uint64(29))) * _MIX + what.astype(np.uint64)
    hashed *= _GOLDEN
    hashed = (hashed ^ (hashed >> np.uint64(32))) * _MIX
    # The moment leads, what the hash has room for follows: one sort by one number.
    room = np.uint64(64 - int(moment[-1]).bit_length())
    keys = (moment.astype(np.uint64) << room) | (hashed >> (np.uint64(64) - room))
    settled = event[np.argsort(keys)]
    item[event], weight[event] = item[settled], weight[settled]
