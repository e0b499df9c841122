"""Removing old events: months dropped whole where all of one is old, rows deleted else.

With the events go what is made of them: visits, the keys by which they were recognized, and what
the online states hold of them. What was learned of them fades until the night's training, which
runs after this. What is held of shoppers under a restriction stays until it is lifted.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice

from django.core.cache import cache
from django.db import OperationalError, transaction

from profiles.identity import lock_shoppers
from profiles.models import EventKey, EventKind, Session
from profiles.partitions import CACHED, month_bounds, month_of, partitions
from profiles.policy import signal_policy
from profiles.restriction import restricted_shoppers
from profiles.retention import Kept, Removed
from profiles.state import REBUILD_BATCH, rebuild_states
from tenants.connection import array_of, connection
from tenants.database.roles import as_owner
from tenants.deadlocks import in_transaction

DAYS = 3 * 365
"""How long events are kept unless the shop says otherwise: two seasons, and a year to compare."""

BATCH = 20_000
"""Rows of one statement, so that none holds its locks for long."""

PATIENCE = "5s"
"""How long dropping a month waits for whoever uses the table, and makes others wait behind it."""

DELETE_SOME = """
    DELETE FROM profiles_event WHERE (id, occurred_at) IN (
        SELECT id, occurred_at FROM profiles_event
        WHERE occurred_at >= %s AND occurred_at < %s AND (%s = '' OR kind = %s)
          AND shopper_id <> ALL(%s::bigint[])
        LIMIT %s
    ) RETURNING shopper_id
"""


def remove_old_events(before: datetime, now: datetime) -> Removed:
    """Remove the events before a moment, and those that the signal policy keeps for less."""
    dropped, in_use, rows = [], [], 0
    shoppers: set[int] = set()
    for name in partitions():
        start, end = month_bounds(*month_of(name))
        held, theirs = _held_in(name) if end <= before else (0, set())
        if end <= before and theirs.isdisjoint(restricted_shoppers()):
            try:
                _drop(name)
            except OperationalError:
                in_use.append(name)
                continue
            dropped.append(name)
            rows += held
            shoppers |= theirs
        elif start < before:
            for deleted in _delete(start, min(end, before)):
                rows += len(deleted)
                shoppers.update(deleted)
    by_policy = _remove_by_policy(before, now, shoppers)
    Session.objects.filter(last_event_at__lt=before, shopper__restricted_at=None).delete()
    EventKey.objects.filter(received_at__lt=before).delete()
    _bring_states_up(shoppers)
    failure = f"In use, so left to the next night: {', '.join(in_use)}." if in_use else ""
    return Removed(rows + sum(by_policy.values()), tuple(dropped), by_policy, failure)


def _remove_by_policy(before: datetime, now: datetime, shoppers: set[int]) -> dict[str, int]:
    """Delete what a kind of its own term makes older; how many of each kind. Adds whose it was."""
    found: dict[str, int] = {}
    for kind, days in signal_policy().kept_days.items():
        limit = now - timedelta(days=days)
        if kind not in EventKind.values or limit <= before:
            continue
        for name in partitions():
            start, end = month_bounds(*month_of(name))
            for deleted in _delete(start, min(end, limit), kind):
                found[kind] = found.get(kind, 0) + len(deleted)
                shoppers.update(deleted)
    return found


def _delete(start: datetime, end: datetime, kind: str = "") -> Iterator[list[int]]:
    """Delete rows from `start` to `end`, of one kind or of all; whose they were, by the batch."""
    spared = array_of(restricted_shoppers())
    while start < end:
        with connection.cursor() as cursor:
            cursor.execute(DELETE_SOME, [start, end, kind, kind, spared, BATCH])
            deleted = [shopper for (shopper,) in cursor.fetchall()]
        if deleted:
            yield deleted
        if len(deleted) < BATCH:
            return


def _held_in(name: str) -> tuple[int, set[int]]:
    """How many events a partition holds, and of whom."""
    start, end = month_bounds(*month_of(name))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT shopper_id, count(*) FROM profiles_event"
            " WHERE occurred_at >= %s AND occurred_at < %s GROUP BY shopper_id",
            [start, end],
        )
        counted = dict(cursor.fetchall())
    return sum(counted.values()), set(counted)


def _drop(name: str) -> None:
    """Take a month out of the event table. Raises OperationalError where others use it all the
    time: to wait longer would make those wait who come after."""
    schema = connection.schema_name

    def drop() -> None:
        with as_owner(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [PATIENCE])
            cursor.execute(
                f'ALTER TABLE "{schema}".profiles_event DETACH PARTITION "{schema}"."{name}"'
            )
            cursor.execute(f'DROP TABLE "{schema}"."{name}"')
        transaction.on_commit(lambda: cache.delete(CACHED))

    in_transaction(drop)


def _bring_states_up(shoppers: Iterable[int]) -> None:
    """Make the online states of what is left, so that a deleted event is in none."""
    ids = iter(sorted(shoppers))
    while batch := list(islice(ids, REBUILD_BATCH)):
        with transaction.atomic():
            lock_shoppers(batch)  # or an event that comes now would be lost to the state
            rebuild_states(batch)


EVENTS = Kept(
    "events",
    "What shoppers did, with visits, and what ranking made of it",
    DAYS,
    remove_old_events,
)
