"""The online state of a shopper: folding events in, rebuilding it, reading it as signals."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import transaction

from profiles.models import Consent, Event, EventKind, Purpose, ShopperState
from profiles.signals import HISTORY_KINDS, Signal, SignalKind, fold_event

MAX_SIGNALS = 4_000
"""The oldest signals beyond it are forgotten, and the oldest items that left the cart: no state
grows without bound. What was dismissed is kept, for it must never be shown again."""

REBUILD_BATCH = 500

LEAVES_CART = frozenset({EventKind.REMOVE_FROM_CART, EventKind.PURCHASE})


Moment = tuple[float, int]
"""When an event happened, and its id: of two at the same time the later arrival is the later."""

NEVER: Moment = (float("-inf"), 0)


@dataclass(frozen=True, slots=True)
class StateEvent:
    """An event, as far as the online state is concerned. `at` is seconds since 1970, UTC."""

    id: int
    kind: str
    item_id: int
    at: float

    @property
    def moment(self) -> Moment:
        return self.at, self.id


@dataclass(slots=True)
class State:
    """A shopper's online state while events are folded into it."""

    signals: dict[tuple[int, str], Signal] = field(default_factory=dict)
    cart: dict[int, Moment] = field(default_factory=dict)
    dismissed: set[int] = field(default_factory=set)
    left_cart: dict[int, Moment] = field(default_factory=dict)

    def fold(self, event: StateEvent) -> None:
        """Take one more event in; events may come in any order."""
        if event.kind in HISTORY_KINDS:
            key = (event.item_id, event.kind)
            self.signals[key] = fold_event(
                self.signals.get(key),
                item=event.item_id,
                kind=event.kind,
                at=event.at,
                event_id=event.id,
            )
        if event.kind == EventKind.ADD_TO_CART:
            known = max(
                self.cart.get(event.item_id, NEVER), self.left_cart.get(event.item_id, NEVER)
            )
            if event.moment > known:
                self.cart[event.item_id] = event.moment
        elif event.kind in LEAVES_CART:
            left = max(event.moment, self.left_cart.get(event.item_id, NEVER))
            self.left_cart[event.item_id] = left
            if self.cart.get(event.item_id, left) < left:
                del self.cart[event.item_id]
        elif event.kind == EventKind.DISMISS:
            self.dismissed.add(event.item_id)

    @classmethod
    def load(cls, row: ShopperState) -> "State":
        state = cls(dismissed=set(row.dismissed))
        state.signals = {(s.item, s.kind): s for s in signals_of(row)}
        state.cart = {int(item): (at, event) for item, (at, event) in row.cart["items"].items()}
        state.left_cart = {int(item): (at, event) for item, (at, event) in row.cart["left"].items()}
        return state

    def store(self, row: ShopperState) -> None:
        newest = sorted(
            self.signals.values(), key=lambda s: (s.last_at, s.event_id or 0), reverse=True
        )
        left = sorted(self.left_cart.items(), key=lambda entry: entry[1], reverse=True)
        row.history = [
            [s.item, s.kind, s.strength, s.last_at, s.count, s.event_id]
            for s in newest[:MAX_SIGNALS]
        ]
        row.cart = {
            "items": {str(item): list(moment) for item, moment in sorted(self.cart.items())},
            "left": {str(item): list(moment) for item, moment in left[:MAX_SIGNALS]},
        }
        row.dismissed = sorted(self.dismissed)


def signals_of(row: ShopperState) -> list[Signal]:
    """The history in a stored state, newest first."""
    return signals_from(row.history)


def signals_from(history: Iterable[Sequence[Any]]) -> list[Signal]:
    """Signals from their stored form: [item, kind, strength, last at, count, event id]."""
    return [Signal(*entry) for entry in history]


def cart_signals(cart: dict[str, Any]) -> list[Signal]:
    """What is in the cart of a stored state, as signals, newest first."""
    entries = sorted(cart.get("items", {}).items(), key=lambda entry: -entry[1][0])
    return [
        Signal(int(item), SignalKind.CART_ITEM, 1.0, at, 1, event) for item, (at, event) in entries
    ]


def fold_into_states(events: dict[int, list[StateEvent]]) -> None:
    """Fold new events, by shopper id, into the states of those who grant personalization.

    Runs in the caller's transaction, which has locked the shoppers.
    """
    permitted = _permitted(events)
    ShopperState.stored.bulk_create(
        [ShopperState(shopper_id=shopper, **_empty()) for shopper in sorted(permitted)],
        ignore_conflicts=True,
    )
    rows = list(ShopperState.stored.filter(shopper_id__in=permitted))
    for row in rows:
        state = State.load(row)
        for event in events[row.shopper_id]:
            state.fold(event)
        state.store(row)
    _save(rows)


def rebuild_states(shoppers: Collection[int], *, until: datetime | None = None) -> None:
    """Compute the states anew from the stored events before `until`.

    Shoppers who do not grant personalization end up without a state.
    """
    ids = iter(sorted(shoppers))
    while batch := list(islice(ids, REBUILD_BATCH)):
        with transaction.atomic():
            permitted = _permitted(batch)
            drop_states([shopper for shopper in batch if shopper not in permitted])
            states: defaultdict[int, State] = defaultdict(State)
            events = Event.stored.filter(shopper_id__in=permitted, item__isnull=False)
            if until is not None:
                events = events.filter(occurred_at__lt=until)
            for shopper, event_id, kind, item, at in events.values_list(
                "shopper_id", "id", "kind", "item_id", "occurred_at"
            ).iterator(chunk_size=20_000):
                states[shopper].fold(StateEvent(event_id, kind, item, at.timestamp()))
            rows = [ShopperState(shopper_id=shopper) for shopper in sorted(permitted)]
            for row in rows:
                states[row.shopper_id].store(row)
            _save(rows)


def drop_states(shoppers: Collection[int]) -> None:
    ShopperState.stored.filter(shopper_id__in=shoppers).delete()


def _save(rows: list[ShopperState]) -> None:
    ShopperState.stored.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["shopper"],
        update_fields=["history", "cart", "dismissed", "updated_at"],
    )


def _permitted(shoppers: Iterable[int]) -> set[int]:
    return set(
        Consent.objects.filter(
            shopper__in=list(shoppers), purpose=Purpose.PERSONALIZATION, granted=True
        ).values_list("shopper_id", flat=True)
    )


def _empty() -> dict[str, Any]:
    return {"history": [], "cart": {"items": {}, "left": {}}, "dismissed": []}
