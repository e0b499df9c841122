"""Into which ranges numbers are split, for a shopper to choose from."""

import math
from decimal import Decimal
from itertools import pairwise
from typing import Final

RANGES: Final = 6
"""About as many as a shopper reads at a glance; a few more or fewer come of round numbers."""


def boundaries(least: Decimal, most: Decimal) -> list[Decimal]:
    """Round numbers strictly between the two: even steps of 1, 2 or 5 times a power of ten; on a
    wide span (over 100-fold) 1, 2, 5, 10, 20 … instead, as prices are distributed."""
    if most <= least:
        return []
    if least > 0 and most / least > 100:
        return _thinned([step for step in _decades(least, most) if least < step < most])
    step = _round_up((most - least) / RANGES)
    first = (least / step).to_integral_value(rounding="ROUND_FLOOR") * step
    found = [first + step * number for number in range(1, 2 * RANGES)]
    return [_plain(bound) for bound in found if least < bound < most]


def between(bounds: list[Decimal]) -> list[tuple[Decimal | None, Decimal | None]]:
    """The ranges that the bounds make, from (None, first) to (last, None)."""
    return list(pairwise([None, *bounds, None])) if bounds else []


def _decades(least: Decimal, most: Decimal) -> list[Decimal]:
    powers = range(math.floor(least.log10()), math.ceil(most.log10()) + 1)
    return [_plain(Decimal(digit).scaleb(power)) for power in powers for digit in (1, 2, 5)]


def _thinned(bounds: list[Decimal]) -> list[Decimal]:
    keep_every = max(1, math.ceil(len(bounds) / (RANGES + 1)))
    return bounds[::keep_every]


def _round_up(step: Decimal) -> Decimal:
    power = math.floor(step.log10())
    for digit in (1, 2, 5, 10):
        candidate = Decimal(digit).scaleb(power)
        if candidate >= step:
            return candidate
    raise AssertionError(step)  # pragma: no cover  # ten times its power exceeds any step


def _plain(number: Decimal) -> Decimal:
    """1E+2 is written 100."""
    return number.quantize(Decimal(1)) if number == number.to_integral_value() else number
