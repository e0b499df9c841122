"""What had each shopper done by then: a log folded into signals, all shoppers at once."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from profiles.signals import HALF_LIFE_DAYS, SECONDS_PER_DAY
from recommendations.scoring import Blend, ScoringParams, signal_weights
from recommendations.training.log import IntArray, InteractionLog

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Histories:
    """Signals as parallel arrays, one element per shopper, item and kind that occurred.

    The same numbers as `profiles.signals.fold_event` gives one event at a time. `shopper` and
    `item` index those of the log; `last_at` is seconds since 1970 (UTC).
    """

    shopper: IntArray
    item: IntArray
    kind: IntArray
    strength: FloatArray
    last_at: FloatArray
    count: IntArray
    kinds: tuple[str, ...]
    shape: tuple[int, int]

    def of_shoppers(self, shoppers: IntArray) -> "Histories":
        """The signals of some shoppers, who become rows 0, 1, … in the given order."""
        row = np.full(self.shape[0], -1, dtype=np.int64)
        row[shoppers] = np.arange(len(shoppers))
        kept = row[self.shopper] >= 0
        return Histories(
            shopper=row[self.shopper[kept]],
            item=self.item[kept],
            kind=self.kind[kept],
            strength=self.strength[kept],
            last_at=self.last_at[kept],
            count=self.count[kept],
            kinds=self.kinds,
            shape=(len(shoppers), self.shape[1]),
        )

    def since(self, at: float) -> "Histories":
        """The signals that were last seen at `at` or later, of the same shoppers."""
        kept = self.last_at >= at
        return replace(
            self,
            shopper=self.shopper[kept],
            item=self.item[kept],
            kind=self.kind[kept],
            strength=self.strength[kept],
            last_at=self.last_at[kept],
            count=self.count[kept],
        )

    def weights(
        self,
        params: ScoringParams,
        blend: Blend,
        *,
        now: float,
        kinds: Collection[str] | None = None,
    ) -> sparse.csr_matrix:
        """Shoppers by items: what each item's signals (of some kinds) count together at `now`."""
        by_kind = np.array(
            [
                params.kind_weight(kind, blend) if kinds is None or kind in kinds else 0.0
                for kind in self.kinds
            ]
        )
        kept = by_kind[self.kind] != 0 if len(self.kind) else np.zeros(0, dtype=np.bool_)
        weights = signal_weights(
            by_kind[self.kind[kept]],
            self.strength[kept],
            self.last_at[kept],
            now=now,
            params=params,
            session=blend.session,
        )
        return sparse.csr_matrix(
            (weights.astype(np.float32), (self.shopper[kept], self.item[kept])), shape=self.shape
        )


def fold_log(log: InteractionLog) -> Histories:
    """Every shopper's signals after all events of the log."""
    items, kinds = max(len(log.item_ids), 1), max(len(log.kinds), 1)
    keys = (log.shopper * items + log.item) * kinds + log.kind
    distinct, signal, count = np.unique(keys, return_inverse=True, return_counts=True)
    last_at = np.full(len(distinct), -np.inf)
    np.maximum.at(last_at, signal, log.at.astype(np.float64))
    age_days = (last_at[signal] - log.at) / SECONDS_PER_DAY
    strength = np.bincount(
        signal, weights=np.exp2(-age_days / HALF_LIFE_DAYS), minlength=len(distinct)
    )
    pair = distinct // kinds
    return Histories(
        shopper=pair // items,
        item=pair % items,
        kind=distinct % kinds,
        strength=strength.astype(np.float64),
        last_at=last_at,
        count=count,
        kinds=log.kinds,
        shape=(len(log.shopper_ids), len(log.item_ids)),
    )
