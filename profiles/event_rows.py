"""Writing a batch of events down: their sessions, rows, and the states they change."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import orjson

from profiles.contract import EventInput
from profiles.global_privacy_control import refused
from profiles.models import EventKind, Purpose
from profiles.state import StateEvent, fold_into_states
from tenants.connection import connection

NEXT_IDS = "SELECT nextval('profiles_event_id_seq') FROM generate_series(1, %s)"

COPY_EVENTS = """
    COPY profiles_event (id, shopper_id, session_id, kind, item_id, occurred_at, received_at,
        quantity, value, currency, query, rating, seconds, text, decision_id, context, private)
    FROM STDIN
"""
NO_CONTEXT = "{}"

# In a session's own order of names: two batches that share sessions must lock them alike.
PROLONG_SESSIONS = """
    INSERT INTO profiles_session AS s (shopper_id, external_id, started_at, last_event_at)
    SELECT * FROM json_to_recordset(%s::json) AS given (
        shopper_id bigint, external_id varchar, started_at timestamptz, last_event_at timestamptz)
    ON CONFLICT (shopper_id, external_id) DO UPDATE
    SET started_at = least(s.started_at, excluded.started_at),
        last_event_at = greatest(s.last_event_at, excluded.last_event_at)
    RETURNING shopper_id, external_id, id
"""


def write_events(
    events: Sequence[EventInput],
    items: Sequence[int | None],
    shoppers: Sequence[int],
    *,
    now: datetime,
    update_states: bool,
) -> None:
    """Write events, each with the ids of its item and of its shopper, and fold them into the
    online states.

    Runs in the caller's transaction, which has the shoppers locked. The number of statements does
    not depend on that of events.
    """
    told = [vars(event) for event in events]  # a look-up of a field that may be missing is slow
    moments = [event["occurred_at"] or now for event in told]
    sessions = _prolong_sessions(told, shoppers, moments)
    with connection.cursor() as cursor:
        cursor.execute(NEXT_IDS, [len(told)])
        ids = [value for (value,) in cursor.fetchall()]
        with cursor.copy(COPY_EVENTS) as copy:
            for event_id, event, shopper, item, at in zip(
                ids, told, shoppers, items, moments, strict=True
            ):
                copy.write_row(
                    (
                        event_id,
                        shopper,
                        sessions.get((shopper, event["session"])),
                        event["kind"],
                        item,
                        at,
                        now,
                        event.get("quantity", 1),
                        event.get("value"),
                        event.get("currency") or "",
                        event.get("query", ""),
                        event.get("rating"),
                        event.get("seconds"),
                        event.get("text", ""),
                        event["decision"],
                        orjson.dumps(event["context"]).decode() if event["context"] else NO_CONTEXT,
                        event["gpc"],
                    )
                )
    if update_states:
        by_shopper: defaultdict[int, list[StateEvent]] = defaultdict(list)
        private = refused(Purpose.PERSONALIZATION, gpc=True)
        for event_id, event, shopper, item, at in zip(
            ids, told, shoppers, items, moments, strict=True
        ):
            if event["gpc"] and private:
                continue
            if item is not None or event["kind"] == EventKind.SEARCH:
                by_shopper[shopper].append(
                    StateEvent(
                        event_id, event["kind"], item, at.timestamp(), event.get("query", "")
                    )
                )
        fold_into_states(by_shopper)


def _prolong_sessions(
    events: Sequence[dict[str, Any]], shoppers: Sequence[int], moments: Sequence[datetime]
) -> dict[tuple[int, str | None], int]:
    """Session ids by shopper and the storefront's session id, made or prolonged as needed."""
    spans: dict[tuple[int, str], tuple[datetime, datetime]] = {}
    for event, shopper, at in zip(events, shoppers, moments, strict=True):
        if (name := event["session"]) is not None:
            start, end = spans.get((shopper, name), (at, at))
            spans[shopper, name] = (min(start, at), max(end, at))
    if not spans:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(PROLONG_SESSIONS, [orjson.dumps(list(_rows(spans))).decode()])
        return {(shopper, name): pk for shopper, name, pk in cursor.fetchall()}


def _rows(
    spans: dict[tuple[int, str], tuple[datetime, datetime]],
) -> Iterator[dict[str, Any]]:
    for shopper, name in sorted(spans):
        start, end = spans[shopper, name]
        yield {
            "shopper_id": shopper,
            "external_id": name,
            "started_at": start,
            "last_event_at": end,
        }
