"""What did shoppers do: an event log as flat arrays, the input of training."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class InteractionLog:
    """Events as parallel arrays, one element an event, in no particular order.

    `shopper` and `item` are ids as the database knows them, `at` is seconds since 1970 (UTC),
    `kind` indexes `kinds`.
    """

    shopper: IntArray
    item: IntArray
    at: IntArray
    kind: npt.NDArray[np.int8]
    kinds: tuple[str, ...]
