"""Taking events in: every one stored once, and the online states up to date when it returns."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db import connection
from django.utils import timezone
from pydantic import ValidationError

from catalog.models import Item
from profiles.contract import EventInput, event_adapter
from profiles.identity import ShopperRef, ensure_shoppers, lock_shoppers, resolve
from profiles.models import Event, EventKey, EventKind
from profiles.partitions import ensure_partitions
from profiles.state import StateEvent, fold_into_states
from tenants.deadlocks import in_transaction
from tenants.input import MAX_FIELDS_NAMED, field_of

KEYS_KEPT = timedelta(days=30)
LOG_KEY_START = "log:"
"""How the keys begin that an imported log's rows get from what they say."""


class OutcomeStatus(StrEnum):
    STORED = "stored"
    REPEATED = "repeated"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one event. `code` and `fields` say what was wrong with a refused one."""

    status: OutcomeStatus
    code: str | None = None
    fields: Mapping[str, str] | None = None


STORED = Outcome(OutcomeStatus.STORED)
REPEATED = Outcome(OutcomeStatus.REPEATED)
UNKNOWN_KIND = Outcome(
    OutcomeStatus.REFUSED, "invalid_event", {"kind": f"One of {', '.join(EventKind)}."}
)
UNKNOWN_ITEM = Outcome(
    OutcomeStatus.REFUSED, "unknown_item", {"item": "There is no item with this id."}
)


def record_events(
    raw_events: Sequence[Any], *, now: datetime | None = None, update_states: bool = True
) -> list[Outcome]:
    """Check and store events; the outcome of each, in order.

    A refused event never hinders the others. Late and out-of-order events are welcome. All of
    the batch is stored in one transaction, or an exception is raised and none is. With
    `update_states=False` the caller rebuilds the states afterwards, as an import does.
    """
    now = now or timezone.now()
    outcomes: list[Outcome | None] = [None] * len(raw_events)
    parsed: dict[int, EventInput] = {}
    for position, raw in enumerate(raw_events):
        try:
            parsed[position] = event_adapter.validate_python(raw, strict=False)
        except ValidationError as error:
            outcomes[position] = _refused(error)
    items = _item_ids(parsed.values())
    for position in [p for p, event in parsed.items() if _item_of(event) not in items]:
        outcomes[position] = UNKNOWN_ITEM
        del parsed[position]
    # Before the transaction: making a partition locks the whole table, and must not wait for
    # anybody's commit while holding it.
    ensure_partitions([event.occurred_at or now for event in parsed.values()])

    def store() -> set[int]:
        repeated = set(_repeated(parsed, now))
        fresh = [event for position, event in parsed.items() if position not in repeated]
        if fresh:
            _store(fresh, items, now=now, update_states=update_states)
        return repeated

    repeated = in_transaction(store) if parsed else set()
    for position in parsed:
        outcomes[position] = REPEATED if position in repeated else STORED
    return [outcome for outcome in outcomes if outcome is not None]


def forget_keys(now: datetime) -> int:
    """Delete the idempotency keys older than KEYS_KEPT; how many that were.

    Keys of imported logs stay: a file may be imported again years later.
    """
    old = EventKey.objects.filter(received_at__lt=now - KEYS_KEPT)
    deleted, _ = old.exclude(key__startswith=LOG_KEY_START).delete()
    return deleted


def _refused(error: ValidationError) -> Outcome:
    details = error.errors(include_url=False, include_context=False, include_input=False)
    if details[0]["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        return UNKNOWN_KIND  # pydantic's own words would repeat what was sent
    # The discriminator's own value leads each path; the caller knows the kind.
    fields = {
        field_of({**detail, "loc": detail["loc"][1:]}): detail["msg"]
        for detail in details[:MAX_FIELDS_NAMED]
    }
    return Outcome(OutcomeStatus.REFUSED, "invalid_event", fields)


def _item_of(event: EventInput) -> str | None:
    item: str | None = getattr(event, "item", None)
    return item


def _item_ids(events: Iterable[EventInput]) -> dict[str | None, int | None]:
    """Item ids by external id, and None for None: an event without an item is fine."""
    named = {item for event in events if (item := _item_of(event)) is not None}
    found = Item.objects.filter(external_id__in=named).values_list("external_id", "id")
    return {None: None, **dict(found)}


def _repeated(events: Mapping[int, EventInput], now: datetime) -> list[int]:
    """Positions whose idempotency key was seen before, in an earlier batch or earlier in this one.

    Inserting the keys is what decides, so of two batches at once only one stores the event.
    """
    first: dict[str, int] = {}
    repeated: list[int] = []
    for position, event in events.items():
        if event.idempotency_key is None:
            continue
        if event.idempotency_key in first:
            repeated.append(position)
        else:
            first[event.idempotency_key] = position
    if not first:
        return repeated
    with connection.cursor() as cursor:
        # Sorted: two batches that share keys must lock them in the same order.
        cursor.execute(
            "INSERT INTO profiles_eventkey (key, received_at)"
            " SELECT unnest(%s::varchar[]), %s ON CONFLICT (key) DO NOTHING RETURNING key",
            [sorted(first), now],
        )
        new = {key for (key,) in cursor.fetchall()}
    return repeated + [position for key, position in first.items() if key not in new]


def _store(
    events: list[EventInput],
    items: Mapping[str | None, int | None],
    *,
    now: datetime,
    update_states: bool,
) -> None:
    refs = [ShopperRef(event.shopper, event.anonymous) for event in events]
    ensure_shoppers(refs, now=now)
    shopper_of = resolve(set(refs))
    # One writer per shopper: states are read, changed and written.
    locked = lock_shoppers(set(shopper_of.values()))
    shoppers = [locked[shopper_of[ref]] for ref in refs]
    moments = [event.occurred_at or now for event in events]
    sessions = _ensure_sessions(events, shoppers, moments)
    ids = _next_ids(len(events))
    rows = [
        Event(
            id=event_id,
            shopper_id=shopper,
            session_id=sessions.get((shopper, event.session)),
            kind=event.kind,
            item_id=items[_item_of(event)],
            occurred_at=at,
            received_at=now,
            quantity=getattr(event, "quantity", 1),
            value=getattr(event, "value", None),
            currency=getattr(event, "currency", None) or "",
            query=getattr(event, "query", ""),
            rating=getattr(event, "rating", None),
            seconds=getattr(event, "seconds", None),
            text=getattr(event, "text", ""),
            decision_id=event.decision,
            context=event.context,
        )
        for event_id, event, shopper, at in zip(ids, events, shoppers, moments, strict=True)
    ]
    Event.stored.bulk_create(rows)
    if update_states:
        by_shopper: defaultdict[int, list[StateEvent]] = defaultdict(list)
        for row in rows:
            if row.item_id is not None:
                by_shopper[row.shopper_id].append(
                    StateEvent(row.pk, row.kind, row.item_id, row.occurred_at.timestamp())
                )
        fold_into_states(by_shopper)


def _next_ids(number: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval('profiles_event_id_seq') FROM generate_series(1, %s)", [number]
        )
        return [value for (value,) in cursor.fetchall()]


def _ensure_sessions(
    events: Sequence[EventInput], shoppers: Sequence[int], moments: Sequence[datetime]
) -> dict[tuple[int, str | None], int]:
    """Session ids by shopper and the storefront's session id, made or prolonged as needed."""
    spans: dict[tuple[int, str], tuple[datetime, datetime]] = {}
    for event, shopper, at in zip(events, shoppers, moments, strict=True):
        if event.session is not None:
            start, end = spans.get((shopper, event.session), (at, at))
            spans[shopper, event.session] = (min(start, at), max(end, at))
    if not spans:
        return {}
    keys = sorted(spans)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO profiles_session AS s (shopper_id, external_id, started_at, last_event_at)
            SELECT * FROM unnest(%s::bigint[], %s::varchar[], %s::timestamptz[], %s::timestamptz[])
            ON CONFLICT (shopper_id, external_id) DO UPDATE
            SET started_at = least(s.started_at, excluded.started_at),
                last_event_at = greatest(s.last_event_at, excluded.last_event_at)
            RETURNING shopper_id, external_id, id
            """,
            [
                [shopper for shopper, _ in keys],
                [name for _, name in keys],
                [spans[key][0] for key in keys],
                [spans[key][1] for key in keys],
            ],
        )
        return {(shopper, name): pk for shopper, name, pk in cursor.fetchall()}
