"""Small logs whose right answers are known."""

from collections.abc import Sequence

import numpy as np

from profiles.signals import SECONDS_PER_DAY
from recommendations.training.log import InteractionLog

KINDS = ("view", "purchase", "dwell")
START = 1_700_000_000


def at_day(day: float) -> float:
    """Seconds since 1970 of a moment counted in days from the start of the logs."""
    return START + day * SECONDS_PER_DAY


def make_log(events: Sequence[tuple[int, int, float, str]]) -> InteractionLog:
    """A log of (shopper id, item id, day, kind)."""
    return InteractionLog.from_ids(
        shopper=[event[0] for event in events],
        item=[event[1] for event in events],
        at=[int(at_day(event[2])) for event in events],
        kind=[KINDS.index(event[3]) for event in events],
        kinds=KINDS,
    )


def log_of_tastes(*, repeats: bool, shoppers: int = 240, seed: int = 5) -> InteractionLog:
    """Purchases over 60 days of shoppers who each like one of four groups of 30 items.

    Items 0, 4, 8, … are one group, 1, 5, 9, … the next. With `repeats` a shopper buys mostly
    what they bought before, else never the same item twice.
    """
    random = np.random.default_rng(seed)
    events: list[tuple[int, int, float, str]] = []
    for shopper in range(shoppers):
        liked = random.permutation(30) * 4 + shopper % 4
        days = np.sort(random.uniform(0, 60, size=12))
        for turn, day in enumerate(days.tolist()):
            item = liked[turn % 3] if repeats else liked[turn]
            events.append((shopper, int(item), day, "purchase"))
    return make_log(events)


def log_of_courses(*, shoppers: int = 300, lessons: int = 120, seed: int = 5) -> InteractionLog:
    """Purchases of lessons, each shopper taking the next one every other day."""
    random = np.random.default_rng(seed)
    events: list[tuple[int, int, float, str]] = []
    for shopper in range(shoppers):
        first, day = int(random.integers(0, lessons - 10)), random.uniform(0, 40)
        events.extend((shopper, first + step, day + 2.0 * step, "purchase") for step in range(10))
    return make_log(events)
