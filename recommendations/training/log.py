"""What did shoppers do: an event log as flat arrays, the input of training."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class InteractionLog:
    """Events as parallel arrays, one element an event, in no particular order.

    `shopper`, `item` and `kind` index `shopper_ids`, `item_ids` and `kinds`; `at` is seconds
    since 1970 (UTC). Parts of a log (`before`, `of_kinds`) keep the index of the whole, so
    that row 7 is the same item in all of them.
    """

    shopper: IntArray
    item: IntArray
    at: IntArray
    kind: IntArray
    shopper_ids: IntArray
    item_ids: IntArray
    kinds: tuple[str, ...]

    @classmethod
    def from_ids(
        cls,
        *,
        shopper: npt.ArrayLike,
        item: npt.ArrayLike,
        at: npt.ArrayLike,
        kind: npt.ArrayLike,
        kinds: Sequence[str],
    ) -> Self:
        """A log from the ids of the database; `kind` indexes `kinds`.

        Raises ValueError when the arrays differ in length or a kind is out of range.
        """
        shopper_ids, shopper_index = np.unique(_integers(shopper), return_inverse=True)
        item_ids, item_index = np.unique(_integers(item), return_inverse=True)
        times, kind_index = _integers(at), _integers(kind)
        if len({len(shopper_index), len(item_index), len(times), len(kind_index)}) != 1:
            raise ValueError("The arrays of a log must have one element per event each.")
        if kind_index.size and not 0 <= kind_index.min() <= kind_index.max() < len(kinds):
            raise ValueError("A kind of the log is not one of its kinds.")
        return cls(
            shopper=shopper_index.astype(np.int64),
            item=item_index.astype(np.int64),
            at=times,
            kind=kind_index,
            shopper_ids=shopper_ids,
            item_ids=item_ids,
            kinds=tuple(kinds),
        )

    def __len__(self) -> int:
        return len(self.at)

    def occurring_kinds(self) -> frozenset[str]:
        """The kinds that the log has at least one event of."""
        return frozenset(self.kinds[kind] for kind in np.unique(self.kind).tolist())

    def before(self, at: float) -> Self:
        return self.where(self.at < at)

    def since(self, at: float) -> Self:
        return self.where(self.at >= at)

    def of_kinds(self, kinds: Collection[str]) -> Self:
        wanted = np.array([kind in kinds for kind in self.kinds], dtype=np.bool_)
        return self.where(wanted[self.kind])

    def where(self, mask: BoolArray) -> Self:
        """The events where `mask` is true, with the index of the whole log."""
        return replace(
            self,
            shopper=self.shopper[mask],
            item=self.item[mask],
            at=self.at[mask],
            kind=self.kind[mask],
        )


def _integers(values: npt.ArrayLike) -> IntArray:
    return np.asarray(values, dtype=np.int64).reshape(-1)
