"""What a demo shop's shoppers do in the order of time: planned visits, carried out one by one."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count as counter
from typing import Literal

import numpy as np

from demo.timetable import end_of_window, on_a_day, visit_times
from demo.values import DemoEvent, DemoItem, DemoShopper, EventKind

Aim = Literal["look around", "restock", "rate", "send back"]


@dataclass(frozen=True, slots=True)
class Errand:
    """What a visit is for. `item` is the index of the item that it is about, if any."""

    aim: Aim = "look around"
    item: int = -1
    quantity: int = 1


class Visit:
    """One session while it happens; each thing noted takes a shopper some seconds."""

    def __init__(
        self, shopper: DemoShopper, began: datetime, events: list[DemoEvent], gaps: "Gaps"
    ) -> None:
        self.began = began
        self._shopper = shopper.external_id
        self._session = f"{shopper.external_id}-{began:%Y%m%d%H%M%S}"
        self._at = began
        self._events = events
        self._gaps = gaps

    def note(
        self,
        kind: EventKind,
        item: DemoItem | None = None,
        *,
        quantity: int | None = None,
        query: str | None = None,
        rating: int | None = None,
        text: str | None = None,
    ) -> None:
        """Add an event. A purchase and a return are worth the price times the quantity."""
        self._events.append(
            DemoEvent(
                kind=kind,
                occurred_at=self._at,
                shopper=self._shopper,
                session=self._session,
                item=item.external_id if item else None,
                quantity=quantity,
                value=_value(kind, item, quantity),
                query=query,
                rating=rating,
                text=text,
            )
        )
        self._at += self._gaps.next()


class Gaps:
    """Endless pauses between two events: seconds up to four minutes, mostly under one."""

    BATCH = 10_000  # drawing one at a time takes longer than all the rest of an event

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._drawn: list[timedelta] = []

    def next(self) -> timedelta:
        """The next pause."""
        if not self._drawn:
            seconds = np.minimum(5 + self._rng.exponential(40, self.BATCH), 240).astype(int)
            self._drawn = [timedelta(seconds=second) for second in seconds.tolist()]
        return self._drawn.pop()


class Diary:
    """All visits of the 120 days before the day of `now`, earliest first."""

    def __init__(
        self, shoppers: Sequence[DemoShopper], *, now: datetime, rng: np.random.Generator
    ) -> None:
        self.end = end_of_window(now)
        self._shoppers = shoppers
        self._rng = rng
        self._order = counter()  # visits of the same second are carried out as they were planned
        self._planned: list[tuple[datetime, int, int, Errand]] = []

    def plan_visits(self, count: int) -> None:
        """Let the shoppers come to look around `count` times, each as often as is their habit."""
        habit = np.array([shopper.taste.visits for shopper in self._shoppers])
        who = self._rng.choice(len(habit), size=count, p=habit / habit.sum())
        for shopper, began in zip(
            who.tolist(), visit_times(count, end=self.end, rng=self._rng), strict=True
        ):
            self._add(began, shopper, Errand())

    def plan(self, shopper: int, errand: Errand, *, after: datetime, days: float) -> None:
        """Let a shopper come back about `days` days after a visit, on a later day."""
        began = on_a_day(after + timedelta(days=max(1.0, days)), self._rng)
        if began < self.end:
            self._add(began, shopper, errand)

    def live(self, carry_out: Callable[[Visit, int, Errand], None]) -> list[DemoEvent]:
        """Carry out all visits, and those planned meanwhile. Events come in order of time."""
        events: list[DemoEvent] = []
        gaps = Gaps(self._rng)
        while self._planned:
            began, _, shopper, errand = heapq.heappop(self._planned)
            carry_out(Visit(self._shoppers[shopper], began, events, gaps), shopper, errand)
        events.sort(key=lambda event: event.occurred_at)
        return events

    def _add(self, began: datetime, shopper: int, errand: Errand) -> None:
        heapq.heappush(self._planned, (began, next(self._order), shopper, errand))


def without_surplus(
    events: Sequence[DemoEvent], count: int, rng: np.random.Generator
) -> tuple[DemoEvent, ...]:
    """`count` of the events: views that are too many are left out here and there.

    Raises ValueError when there are too few events, or too few views to leave out.
    """
    views = [index for index, event in enumerate(events) if event.kind == "view"]
    surplus = len(events) - count
    if not 0 <= surplus < len(views):
        raise ValueError(f"{len(events)} events with {len(views)} views do not make {count}.")
    left_out = {views[index] for index in rng.choice(len(views), surplus, replace=False).tolist()}
    return tuple(event for index, event in enumerate(events) if index not in left_out)


def _value(kind: EventKind, item: DemoItem | None, quantity: int | None) -> Decimal | None:
    if item is None or quantity is None or kind not in {"purchase", "return"}:
        return None
    return item.price_now * quantity
