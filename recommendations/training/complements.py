"""Which items are bought together in one order: neighbors for the cart, learned by counting."""

import numpy as np
from scipy import sparse

from profiles.signals import SECONDS_PER_DAY
from recommendations.training.baskets import Baskets
from recommendations.training.neighbors import strongest

HALF_LIFE_DAYS = 180.0
SHARPNESS = 2.0
"""Power of the cosine. With many items in a cart, what goes well with a few of them is meant, not
what is bought a little with everything. Like the root of a basket's size below it was chosen on a
public log (see the module's benchmark), where it is worth 15 % over the plain cosine."""

MAX_PAIRS = 20_000_000
"""Bound on time and memory: only the newest baskets count, until they hold so many pairs."""


def learn_complements(baskets: Baskets, *, now: float, keep: int) -> sparse.csr_matrix:
    """Items by items, float32, none negative, an empty diagonal, at most `keep` a row.

    The cosine of the items' sets of baskets, squared. A basket counts half after 180 days, and by
    one over the root of its size: of a hundred things in one order few belong together. Rows add
    up to 1 on average, each in falling order.
    """
    baskets = _newest(baskets)
    sizes = np.diff(baskets.items.indptr)
    age_days = np.maximum(now - baskets.at, 0.0) / SECONDS_PER_DAY
    counted = np.exp2(-age_days / HALF_LIFE_DAYS) / np.sqrt(np.maximum(sizes, 1))
    together = (baskets.items.T @ (sparse.diags(counted) @ baskets.items)).tocsr()
    alone = together.diagonal()
    norm = sparse.diags(1.0 / np.sqrt(np.where(alone > 0, alone, 1.0)))
    cosine = (norm @ together @ norm).tocsr()
    cosine.setdiag(0.0)
    cosine.eliminate_zeros()
    cosine.data = cosine.data**SHARPNESS
    kept = strongest(cosine, keep)
    sums = np.asarray(kept.sum(axis=1)).ravel()
    if (sums > 0).any():
        kept.data = kept.data / sums[sums > 0].mean()
    kept.data = kept.data.astype(np.float32)
    return kept


def _newest(baskets: Baskets) -> Baskets:
    sizes = np.diff(baskets.items.indptr).astype(np.int64)
    pairs = np.cumsum((sizes**2)[::-1])[::-1]
    return baskets.rows(np.flatnonzero(pairs <= MAX_PAIRS))
