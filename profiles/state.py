"""The online state of a shopper: folding events in, rebuilding it, reading it as signals."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from operator import itemgetter
from typing import Any, Protocol

import orjson
from django.db import transaction
from django.db.models import FloatField, Q
from django.db.models.functions import Cast, Extract

from profiles.global_privacy_control import refused
from profiles.models import Event, EventKind, Purpose, ShopperState
from profiles.signals import HISTORY_KINDS, SearchedFor, Signal, SignalKind, fold_event
from tenants.connection import array_of, connection

MAX_SIGNALS = 4_000
"""The oldest signals beyond it are forgotten, and the oldest items that left the cart: no state
grows without bound. What was dismissed is kept, for it must never be shown again."""

MAX_SEARCHES = 1
"""Of what was searched for the latest is kept, whatever the order in which events arrive: slates
find the items of each that is kept, which takes statements."""

LONGEST_SEARCH = 100
"""In characters; a longer text is no search for an item."""

REBUILD_BATCH = 500

LEAVES_CART = frozenset({EventKind.REMOVE_FROM_CART, EventKind.PURCHASE})


Moment = list[float]
"""When an event happened, and its id: of two at the same time the later arrival is the later."""

NEVER: Moment = [float("-inf"), 0]

Entry = list[Any]
"""A signal as it is stored: [item, kind, strength, last at, count, event id]."""


@dataclass(frozen=True, slots=True)
class StateEvent:
    """An event, as far as the online state is concerned. `at` is seconds since 1970, UTC."""

    id: int
    kind: str
    item_id: int | None
    at: float
    query: str = ""

    @property
    def moment(self) -> Moment:
        return [self.at, self.id]


class StoredState(Protocol):
    """A row of ShopperState, or what is to become one."""

    history: Any
    cart: Any
    dismissed: Any
    searches: Any


@dataclass(slots=True)
class StateRow:
    """A shopper's state on its way to and from the table; all but `dismissed` are JSON values."""

    shopper_id: int
    history: list[Entry]
    cart: dict[str, dict[str, Moment]]
    dismissed: list[int]
    searches: list[Entry]


@dataclass(slots=True)
class State:
    """A shopper's online state while events are folded into it.

    What no event is about stays in its stored form, `untouched`: a state has hundreds of signals,
    of which a batch touches a few. Items of the cart are keyed by text, as JSON wants it.
    """

    signals: dict[tuple[int, str], Signal] = field(default_factory=dict)
    untouched: dict[tuple[int, str], Entry] = field(default_factory=dict)
    cart: dict[str, Moment] = field(default_factory=dict)
    left_cart: dict[str, Moment] = field(default_factory=dict)
    dismissed: set[int] = field(default_factory=set)
    searches: dict[str, Entry] = field(default_factory=dict)

    def fold(self, event: StateEvent) -> None:
        """Take one more event in; events may come in any order."""
        if event.item_id is None:
            if event.kind == EventKind.SEARCH:
                self._fold_search(event)
            return
        if event.kind in HISTORY_KINDS:
            self._fold_signal(event, event.item_id)
        item = str(event.item_id)
        if event.kind == EventKind.ADD_TO_CART:
            known = max(self.cart.get(item, NEVER), self.left_cart.get(item, NEVER))
            if event.moment > known:
                self.cart[item] = event.moment
        elif event.kind in LEAVES_CART:
            left = max(event.moment, self.left_cart.get(item, NEVER))
            self.left_cart[item] = left
            if self.cart.get(item, left) < left:
                del self.cart[item]
        elif event.kind == EventKind.DISMISS:
            self.dismissed.add(event.item_id)

    def _fold_search(self, event: StateEvent) -> None:
        text = " ".join(event.query.split())
        if not 0 < len(text) <= LONGEST_SEARCH:
            return
        known = self.searches.get(text.casefold())
        if known is None or event.moment > known[1:]:
            self.searches[text.casefold()] = [text, *event.moment]

    def _fold_signal(self, event: StateEvent, item: int) -> None:
        key = (item, event.kind)
        signal = self.signals.get(key)
        if signal is None and (entry := self.untouched.pop(key, None)) is not None:
            signal = Signal(*entry)
        self.signals[key] = fold_event(
            signal, item=item, kind=event.kind, at=event.at, event_id=event.id
        )

    @classmethod
    def load(cls, row: StoredState) -> "State":
        return cls(
            untouched={(entry[0], entry[1]): entry for entry in row.history},
            cart=dict(row.cart.get("items", {})),
            left_cart=dict(row.cart.get("left", {})),
            dismissed=set(row.dismissed),
            searches={entry[0].casefold(): entry for entry in row.searches},
        )

    def store(self, row: StoredState) -> None:
        history = list(self.untouched.values())
        history += [
            [s.item, s.kind, s.strength, s.last_at, s.count, s.event_id]
            for s in self.signals.values()
        ]
        history.sort(key=lambda entry: (entry[3], entry[5] or 0), reverse=True)
        left = self.left_cart
        if len(left) > MAX_SIGNALS:
            newest = sorted(left.items(), key=lambda entry: entry[1], reverse=True)
            left = dict(newest[:MAX_SIGNALS])
        row.history = history[:MAX_SIGNALS]
        row.cart = {"items": self.cart, "left": left}
        row.dismissed = sorted(self.dismissed)
        newest_first = sorted(self.searches.values(), key=itemgetter(1, 2), reverse=True)
        row.searches = newest_first[:MAX_SEARCHES]


def signals_of(row: ShopperState) -> list[Signal]:
    """The history in a stored state, newest first."""
    return signals_from(row.history)


def signals_from(history: Iterable[Sequence[Any]]) -> list[Signal]:
    """Signals from their stored form: [item, kind, strength, last at, count, event id]."""
    return [Signal(*entry) for entry in history]


def searches_from(stored: Iterable[Sequence[Any]]) -> list[SearchedFor]:
    """Searches from their stored form, [text, at, event id], the newest first."""
    return [SearchedFor(*entry) for entry in stored]


def cart_signals(cart: dict[str, Any]) -> list[Signal]:
    """What is in the cart of a stored state, as signals, newest first."""
    entries = sorted(cart.get("items", {}).items(), key=lambda entry: -entry[1][0])
    return [
        Signal(int(item), SignalKind.CART_ITEM, 1.0, at, 1, event) for item, (at, event) in entries
    ]


READ_STATES = """
    SELECT c.shopper_id, s.history, s.cart, s.dismissed, s.searches
    FROM profiles_consent c LEFT JOIN profiles_shopperstate s ON s.shopper_id = c.shopper_id
    WHERE c.shopper_id = ANY(%s::bigint[]) AND c.purpose = %s AND c.granted
"""
WRITE_STATES = """
    INSERT INTO profiles_shopperstate (shopper_id, history, cart, dismissed, searches, updated_at)
    SELECT given.*, now() FROM json_to_recordset(%s::json) AS given (
        shopper_id bigint, history jsonb, cart jsonb, dismissed bigint[], searches jsonb)
    ON CONFLICT (shopper_id) DO UPDATE
    SET (history, cart, dismissed, searches, updated_at) = ROW (
        excluded.history, excluded.cart, excluded.dismissed, excluded.searches, excluded.updated_at)
"""


def fold_into_states(events: dict[int, list[StateEvent]]) -> None:
    """Fold new events, by shopper id, into the states of those who grant personalization.

    Runs in the caller's transaction, which has locked the shoppers. Two statements.
    """
    if not events:
        return
    with connection.cursor() as cursor:
        cursor.execute(READ_STATES, [array_of(events), Purpose.PERSONALIZATION.value])
        found = cursor.fetchall()
    rows = []
    for shopper, history, cart, dismissed, searches in sorted(found, key=itemgetter(0)):
        row = StateRow(
            shopper,
            orjson.loads(history or "[]"),
            orjson.loads(cart or "{}"),
            dismissed or [],
            orjson.loads(searches or "[]"),
        )
        state = State.load(row)
        for event in events[shopper]:
            state.fold(event)
        state.store(row)
        rows.append(row)
    _save(rows)


def rebuild_states(shoppers: Collection[int], *, until: datetime | None = None) -> None:
    """Compute the states anew from the stored events before `until`.

    Shoppers who do not grant personalization end up without a state.
    """
    ids = iter(sorted(shoppers))
    while batch := list(islice(ids, REBUILD_BATCH)):
        with transaction.atomic():
            permitted = permitted_shoppers(batch)
            drop_states([shopper for shopper in batch if shopper not in permitted])
            states: defaultdict[int, State] = defaultdict(State)
            told_of = Q(item__isnull=False) | Q(kind=EventKind.SEARCH)
            events = Event.stored.filter(told_of, shopper_id__in=permitted)
            if refused(Purpose.PERSONALIZATION, gpc=True):
                events = events.filter(private=False)
            if until is not None:
                events = events.filter(occurred_at__lt=until)
            # The database counts the seconds: making a datetime of each costs more than folding it.
            at = Cast(Extract("occurred_at", "epoch"), FloatField())
            told = events.values_list("shopper_id", "id", "kind", "item_id", at, "query")
            for shopper, *event in told.iterator(chunk_size=20_000):
                states[shopper].fold(StateEvent(*event))
            rows = [StateRow(shopper, [], {}, [], []) for shopper in sorted(permitted)]
            for row in rows:
                states[row.shopper_id].store(row)
            _save(rows)


def drop_states(shoppers: Collection[int]) -> None:
    ShopperState.stored.filter(shopper_id__in=shoppers).delete()


def _save(rows: list[StateRow]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(WRITE_STATES, [orjson.dumps(rows).decode()])


def permitted_shoppers(shoppers: Iterable[int]) -> set[int]:
    """Those of the shoppers who grant personalization now. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT shopper_id FROM profiles_consent"
            " WHERE shopper_id = ANY(%s::bigint[]) AND purpose = %s AND granted",
            [array_of(shoppers), Purpose.PERSONALIZATION.value],
        )
        return {shopper for (shopper,) in cursor.fetchall()}
