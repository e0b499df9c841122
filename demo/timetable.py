"""When shoppers come: more in the evening, at the weekend and lately, never at night."""

from datetime import UTC, datetime, timedelta

import numpy as np

WINDOW = timedelta(days=120)
LAST_WEEK = timedelta(days=7)

# Visits start by 21:59 and end well before midnight, so that none runs into the next day.
HOUR_WEIGHTS = (0, 0, 0, 0, 0, 1, 2, 4, 5, 5, 6, 7, 7, 5, 5, 5, 6, 8, 11, 13, 12, 8, 0, 0)
WEEKDAY_WEIGHTS = (1.0, 0.95, 0.95, 0.95, 0.9, 1.15, 1.3)
GROWTH = 0.4
"""How many more visits the last day has than the first."""


def end_of_window(now: datetime) -> datetime:
    """The midnight (UTC) at which the day of `now` began; no event is later.

    Raises ValueError for a `now` without a time zone.
    """
    if now.tzinfo is None:
        raise ValueError("The moment to count back from needs a time zone.")
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def visit_times(count: int, *, end: datetime, rng: np.random.Generator) -> list[datetime]:
    """`count` moments within the 120 days before `end`, in no order."""
    days = [end - WINDOW + timedelta(days=day) for day in range(WINDOW.days)]
    weights = np.array([WEEKDAY_WEIGHTS[day.weekday()] for day in days])
    weights *= np.linspace(1, 1 + GROWTH, len(days))
    chosen = rng.choice(len(days), size=count, p=weights / weights.sum())
    return [days[index] + time for index, time in zip(chosen, _times(count, rng), strict=True)]


def on_a_day(day: datetime, rng: np.random.Generator) -> datetime:
    """A moment on the day of `day` at which people shop."""
    midnight = day.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + _times(1, rng)[0]


def _times(count: int, rng: np.random.Generator) -> list[timedelta]:
    """Times of day."""
    weights = np.cumsum(HOUR_WEIGHTS)
    hours = np.searchsorted(weights, rng.random(count) * weights[-1], side="right")
    seconds = hours * 3600 + rng.integers(3600, size=count)
    return [timedelta(seconds=int(second)) for second in seconds]
