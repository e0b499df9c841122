"""The monthly partitions of the event table."""

from collections.abc import Iterable
from datetime import UTC, datetime

from django.core.cache import cache
from django.db import transaction

from tenants.connection import connection
from tenants.database.roles import as_owner
from tenants.deadlocks import in_transaction

PREFIX = "profiles_event_"
CACHED = "event-partitions"
"""Where the months that are known to be there are cached."""


def ensure_partitions(moments: Iterable[datetime]) -> None:
    """Make the partitions that hold `moments`. No query for months known to be there.

    Commits by itself unless the caller has a transaction open. An advisory lock keeps two batches
    from creating the same month at once.
    """
    months = {(at.astimezone(UTC).year, at.astimezone(UTC).month) for at in moments}
    # The set of months is cached, so that the usual batch asks nothing of the database.
    known: set[tuple[int, int]] = cache.get(CACHED) or set()
    missing = sorted(months - known)
    if not missing:
        return
    in_transaction(lambda: _create(missing))
    transaction.on_commit(lambda: cache.set(CACHED, known | months, timeout=3600))


def partitions() -> list[str]:
    """The names of the tables that hold a month each, the oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid"
            " WHERE inhparent = 'profiles_event'::regclass ORDER BY c.relname"
        )
        return [name for (name,) in cursor.fetchall()]


def month_of(name: str) -> tuple[int, int]:
    """Year and month of a partition, by its name."""
    year, month = name.removeprefix(PREFIX).split("_")
    return int(year), int(month)


def _create(months: list[tuple[int, int]]) -> None:
    schema = connection.schema_name
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"{schema}:partitions"])
        present = partitions()
        for year, month in months:
            name = f"{PREFIX}{year:04}_{month:02}"
            if name in present:
                continue
            start, end = month_bounds(year, month)
            cursor.execute(
                f'CREATE TABLE "{schema}"."{name}" PARTITION OF "{schema}".profiles_event'
                f" FOR VALUES FROM ('{start:%F %T+00}') TO ('{end:%F %T+00}')"
            )


def month_bounds(year: int, month: int) -> tuple[datetime, datetime]:
    """The first moment of a month and of the next one, UTC."""
    start = datetime(year, month, 1, tzinfo=UTC)
    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return start, end
