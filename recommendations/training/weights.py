"""What should each generator count: a non-negative regression on what shoppers took next."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import fsum, sqrt
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from recommendations.scoring import Blend
from recommendations.training.evaluation import COVERAGE_SHARE, Judged, judge, top_items

Scores = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MAX_POSITIVES = 8
"""Items taken that one list may give: a wholesale order must not outvote a hundred shoppers."""
NEGATIVES = 12
"""Items not taken that each of these is compared with."""
POOL = 100
"""Both are of a list's best so many: what counts is the order among what could be shown. Drawing
only those not taken from there would make what ranks high speak against itself."""
MIN_PAIRS = 500
"""With fewer comparisons nothing is learned."""
REGULARIZATION = 10.0
FLOORS: Mapping[str, float] = MappingProxyType({"popularity": 0.002, "trend": 0.001})
"""Never 0: a shopper without a history has nothing else to be ranked by."""

HISTORY = "history"
"""The part of the neighbors that the history speaks for where a page is what is asked about."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The scores of some lists, taken apart by what a blend weighs.

    `generators` maps the name of a weight to lists by items, or to one row that holds for all of
    them; `truth` is what was taken. What is not `allowed` is never shown. `coverage_share` is
    that of what is judged.
    """

    generators: Mapping[str, Scores]
    truth: sparse.csr_matrix
    allowed: npt.NDArray[np.bool_] | None = None
    coverage_share: float = COVERAGE_SHARE

    def scores(self, blend: Blend) -> Scores:
        total = np.zeros(self.truth.shape, dtype=np.float32)
        for name, part in self.generators.items():
            total += np.float32(_weight(blend, name)) * part
        if self.allowed is not None:
            total[~self.allowed] = -np.inf
        return total

    def judge(self, blend: Blend, *, k: int) -> Judged:
        """How good the lists of the best `k` items are."""
        lists = top_items(self.scores(blend), k)
        return judge(lists, self.truth, k=k, coverage_share=self.coverage_share)

    def rows(self, rows: IntArray) -> "Parts":
        return Parts(
            {
                name: part if len(part) == 1 else part[rows]
                for name, part in self.generators.items()
            },
            self.truth[rows],
            None if self.allowed is None else self.allowed[rows],
            self.coverage_share,
        )


def better_blend(parts: Parts, held: Blend, *, k: int, seed: int, min_gain: float) -> Blend:
    """The learned blend where it wins, else `held`.

    Learned on one half of the lists it is judged on the other, and the reverse, while `held` may
    have been chosen on all of them. It wins by more than `min_gain` and its standard error.
    """
    taken = np.flatnonzero(np.diff(parts.truth.indptr))
    if len(taken) < 2:
        return held
    parts = parts.rows(taken)
    half = np.random.default_rng(seed).permutation(len(taken)) % 2
    gains, variances = [], []
    for side in (0, 1):
        learned = learn_blend(parts.rows(np.flatnonzero(half != side)), held, seed=seed)
        judged = parts.rows(np.flatnonzero(half == side))
        if learned is None:
            return held
        gain, variance = judged.judge(learned, k=k).gain_over(judged.judge(held, k=k))
        gains.append(gain)
        variances.append(variance)
    if fsum(gains) / 2 <= max(min_gain, sqrt(fsum(variances)) / 2):
        return held
    return learn_blend(parts, held, seed=seed) or held


def learn_blend(parts: Parts, held: Blend, *, seed: int) -> Blend | None:
    """The weights with which what was taken comes before what was not; None with too little.

    A logistic regression on differences of the parts, a pair of items each. A part that would
    count against an item is left out and the others are learned anew, until none does. A part that
    the lists say nothing of keeps its weight. Weights mean something by their ratios only: they
    are put on the scale of `held`.
    """
    names = sorted(parts.generators)
    pairs = _pairs(parts, names, held, seed=seed)
    if len(pairs) < MIN_PAIRS:
        return None
    scale = pairs.std(axis=0)
    kept = [index for index in range(len(names)) if scale[index] > 0]
    weights = np.zeros(len(names))
    while kept:
        coefficients = _fit(pairs[:, kept] / scale[kept])
        if (coefficients >= 0).all():
            weights[kept] = coefficients / scale[kept]
            break
        kept = [index for index, c in zip(kept, coefficients, strict=True) if c > 0]
    told = {name: float(weights[i]) for i, name in enumerate(names) if scale[i] > 0}
    return _on_scale_of(held, told)


def _fit(differences: FloatArray) -> FloatArray:
    sign = np.where(np.arange(len(differences)) % 2, 1.0, -1.0)
    model = LogisticRegression(C=REGULARIZATION, fit_intercept=False, max_iter=200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(differences * sign[:, None], sign)
    return np.asarray(model.coef_[0], dtype=np.float64)


def _pairs(parts: Parts, names: Sequence[str], held: Blend, *, seed: int) -> FloatArray:
    """A row for each pair of an item taken and one not, a column for each part: how they differ."""
    random = np.random.default_rng(seed)
    scores = parts.scores(held)
    length, width = scores.shape
    best = top_items(scores, min(POOL, width))
    row_of, taken_of, other_of = [], [], []
    for row in range(length):
        pool = best[row]
        if parts.allowed is not None:
            pool = pool[parts.allowed[row, pool]]
        taken = parts.truth.indices[parts.truth.indptr[row] : parts.truth.indptr[row + 1]]
        was_taken = np.isin(pool, taken)
        drawn = random.permutation(pool[was_taken])[:MAX_POSITIVES]
        pool = pool[~was_taken]
        if not (len(drawn) and len(pool)):
            continue
        others = random.choice(pool, (len(drawn), NEGATIVES))
        row_of.append(np.full(others.size, row))
        taken_of.append(np.repeat(drawn, NEGATIVES))
        other_of.append(others.reshape(-1))
    if not row_of:
        return np.zeros((0, len(names)))
    rows, taken, other = map(np.concatenate, (row_of, taken_of, other_of))
    columns = []
    for name in names:
        part = parts.generators[name]
        at = np.zeros_like(rows) if len(part) == 1 else rows
        columns.append(part[at, taken].astype(np.float64) - part[at, other])
    return np.stack(columns, axis=1)


def _weight(blend: Blend, name: str) -> float:
    if name == HISTORY:
        return blend.neighbors * blend.history
    weight: float = getattr(blend, name)
    return weight


def _on_scale_of(held: Blend, learned: Mapping[str, float]) -> Blend | None:
    """`held` with the learned weights, the largest of what it is built on kept as large."""
    base = "neighbors" if held.neighbors >= held.buy_again else "buy_again"
    if not learned.get(base, 0.0) > 0:
        return None
    factor = getattr(held, base) / learned[base]
    known = {field.name for field in fields(Blend)}
    weights = {
        name: max(weight * factor, FLOORS.get(name, 0.0))
        for name, weight in learned.items()
        if name in known and name != HISTORY
    }
    if HISTORY in learned:
        weights["history"] = min(learned[HISTORY] / learned["neighbors"], 1.0)
    return replace(held, **weights)
