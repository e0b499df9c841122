"""Taking events in: every one stored once, and the online states up to date when it returns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson
from django.db import connection
from django.utils import timezone
from prometheus_client import Counter
from pydantic import ValidationError

from profiles.consent import record_consents
from profiles.contract import EventInput, event_adapter
from profiles.event_rows import write_events
from profiles.global_privacy_control import SOURCE, privacy_control
from profiles.identity import ShopperRef, ensure_shoppers, lock_shoppers, resolve
from profiles.models import EventKey, EventKind, Purpose, Shopper
from profiles.partitions import ensure_partitions
from profiles.policy import signal_policy
from tenants.deadlocks import in_transaction
from tenants.input import MAX_FIELDS_NAMED, field_of

NOT_COLLECTED_EVENTS = Counter(
    "attune_events_not_collected_total", "Events refused by a signal policy.", ["kind"]
)
KEYS_KEPT = timedelta(days=30)
LOG_KEY_START = "log:"
"""How the keys begin that an imported log's rows get from what they say."""


class OutcomeStatus(StrEnum):
    STORED = "stored"
    REPEATED = "repeated"
    REFUSED = "refused"
    ERASED = "erased"
    """Of a shopper who was erased: not stored, and no use in sending it again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one event. `code` and `fields` say what was wrong with a refused one."""

    status: OutcomeStatus
    code: str | None = None
    fields: Mapping[str, str] | None = None


STORED = Outcome(OutcomeStatus.STORED)
REPEATED = Outcome(OutcomeStatus.REPEATED)
ERASED = Outcome(OutcomeStatus.ERASED)
UNKNOWN_KIND = Outcome(
    OutcomeStatus.REFUSED, "invalid_event", {"kind": f"One of {', '.join(EventKind)}."}
)
NOT_COLLECTED = Outcome(
    OutcomeStatus.REFUSED,
    "not_collected",
    {"kind": "The shop's signal policy lets no events of this kind be collected."},
)
UNKNOWN_ITEM = Outcome(
    OutcomeStatus.REFUSED, "unknown_item", {"item": "There is no item with this id."}
)


def record_events(
    raw_events: Sequence[Any],
    *,
    now: datetime | None = None,
    update_states: bool = True,
    gpc: bool = False,
) -> list[Outcome]:
    """Check and store events; the outcome of each, in order.

    A refused event never hinders the others. Late and out-of-order events are welcome. All of
    the batch is stored in one transaction, or an exception is raised and none is. With
    `update_states=False` the caller rebuilds the states afterwards, as an import does. `gpc`: all
    of them were sent with Global Privacy Control; an event may also say so of itself.
    """
    now = now or timezone.now()
    outcomes: list[Outcome | None] = [None] * len(raw_events)
    parsed: dict[int, EventInput] = {}
    for position, raw in enumerate(raw_events):
        if gpc and isinstance(raw, dict):
            raw = {**raw, "gpc": True}  # noqa: PLW2901  # what was sent, with its header
        try:
            parsed[position] = event_adapter.validate_python(raw, strict=False)
        except ValidationError as error:
            outcomes[position] = _refused(error)
    uncollected = signal_policy().uncollected
    for position in [p for p, event in parsed.items() if event.kind in uncollected]:
        outcomes[position] = NOT_COLLECTED
        NOT_COLLECTED_EVENTS.labels(kind=parsed.pop(position).kind).inc()
    items = _item_ids(parsed.values())
    for position in [p for p, event in parsed.items() if _item_of(event) not in items]:
        outcomes[position] = UNKNOWN_ITEM
        del parsed[position]
    # Before the transaction: making a partition locks the whole table, and must not wait for
    # anybody's commit while holding it.
    ensure_partitions([event.occurred_at or now for event in parsed.values()])

    def store() -> dict[int, Outcome]:
        shoppers = _shoppers(parsed, now)
        repeated = set(_repeated(parsed, shoppers, now))
        fresh = [p for p in parsed if p in shoppers and p not in repeated]
        if fresh:
            write_events(
                [parsed[position] for position in fresh],
                [items[_item_of(parsed[position])] for position in fresh],
                [shoppers[position] for position in fresh],
                now=now,
                update_states=update_states,
            )
            _remember_control([parsed[position] for position in fresh], now)
        return dict.fromkeys(repeated, REPEATED) | dict.fromkeys(fresh, STORED)

    stored = in_transaction(store) if parsed else {}
    for position in parsed:
        outcomes[position] = stored.get(position, ERASED)
    return [outcome for outcome in outcomes if outcome is not None]


def _remember_control(events: Iterable[EventInput], now: datetime) -> None:
    """Withdraw what Global Privacy Control refuses for those who sent it, where the shop says so.

    Runs in the transaction that stores the events.
    """
    refs = {ShopperRef(event.shopper, event.anonymous) for event in events if event.gpc}
    if not refs or not (control := privacy_control()).remembers:
        return
    shoppers = Shopper.objects.filter(pk__in=resolve(refs).values())
    refusals = {Purpose(purpose): False for purpose in sorted(control.refuses)}
    record_consents(shoppers, refusals, source=SOURCE, now=now)


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
    item: str | None = vars(event).get("item")
    return item


FIND_ITEMS = """
    SELECT i.external_id, i.id FROM json_array_elements_text(%s::json) AS named (external_id)
    JOIN catalog_item i USING (external_id)
"""
USE_KEYS = """
    INSERT INTO profiles_eventkey (key, shopper_id, received_at)
    SELECT key, shopper_id, %s
    FROM json_to_recordset(%s::json) AS given (key varchar, shopper_id bigint)
    ON CONFLICT (key) DO NOTHING RETURNING key
"""


def _item_ids(events: Iterable[EventInput]) -> dict[str | None, int | None]:
    """Item ids by external id, and None for None: an event without an item is fine."""
    named = {item for event in events if (item := _item_of(event)) is not None}
    if not named:
        return {None: None}
    with connection.cursor() as cursor:
        cursor.execute(FIND_ITEMS, [orjson.dumps(list(named)).decode()])
        return {None: None, **dict(cursor.fetchall())}


def _shoppers(events: Mapping[int, EventInput], now: datetime) -> dict[int, int]:
    """Whose each event is, by position, locked: one writer per shopper, for states are read,
    changed and written. Events of those who were erased are left out."""
    refs = {p: ShopperRef(event.shopper, event.anonymous) for p, event in events.items()}
    # In their order: of two who share a device the first one named gets it.
    shopper_of = ensure_shoppers(dict.fromkeys(refs.values()), now=now)
    locked = lock_shoppers(set(shopper_of.values()))
    return {
        position: locked[shopper]
        for position, ref in refs.items()
        if (shopper := shopper_of.get(ref)) in locked
    }


def _repeated(
    events: Mapping[int, EventInput], shoppers: Mapping[int, int], now: datetime
) -> list[int]:
    """Positions whose idempotency key was seen before, in an earlier batch or earlier in this one.

    Inserting the keys is what decides, so of two batches at once only one stores the event.
    """
    first: dict[str, int] = {}
    repeated: list[int] = []
    for position, event in events.items():
        if event.idempotency_key is None or position not in shoppers:
            continue
        if event.idempotency_key in first:
            repeated.append(position)
        else:
            first[event.idempotency_key] = position
    if not first:
        return repeated
    with connection.cursor() as cursor:
        # Sorted: two batches that share keys must lock them in the same order.
        given = [{"key": key, "shopper_id": shoppers[first[key]]} for key in sorted(first)]
        cursor.execute(USE_KEYS, [now, orjson.dumps(given).decode()])
        new = {key for (key,) in cursor.fetchall()}
    return repeated + [position for key, position in first.items() if key not in new]
