"""When a tenant's ranker is trained: once a night, each tenant at an hour of its own."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta

from django.db import connection as django_connection

from recommendations.models import RankerVersion
from recommendations.training_run import train
from tenants.connection import connection

NIGHT_BEGINS = time(1)
NIGHT_MINUTES = 4 * 60
"""Tenants are spread over the night, so that they do not all ask for the same processor."""


def train_if_due(now: datetime) -> RankerVersion | None:
    """Train the current tenant's ranker if tonight's turn has come and was not taken; else None.

    Asked every few minutes: a turn that was missed while nothing ran is taken later. A run that
    failed has taken its turn too, for what failed would fail again; its row says why.
    """
    turn = turn_of(connection.schema_name, now)
    if now < turn or RankerVersion.objects.filter(trained_at__gte=turn).exists():
        return None
    with _alone() as alone:
        if not alone or RankerVersion.objects.filter(trained_at__gte=turn).exists():
            return None
        return train(now)


def turn_of(schema: str, now: datetime) -> datetime:
    """The last moment, before or after `now` on its day (UTC), at which it is this tenant's turn.

    Always the same minute of the night for one tenant, whatever the others.
    """
    begins = now.replace(
        hour=NIGHT_BEGINS.hour, minute=NIGHT_BEGINS.minute, second=0, microsecond=0
    )
    return begins + timedelta(minutes=zlib.crc32(schema.encode()) % NIGHT_MINUTES)


@contextmanager
def _alone() -> Iterator[bool]:
    """Whether no other process trains this tenant; if so, none will until the end of the block.

    A lock of the session: it is gone with the connection, however the process ends.
    """
    name = f"{connection.schema_name}:training"
    with django_connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [name])
        row = cursor.fetchone()
    alone = bool(row and row[0])
    try:
        yield alone
    finally:
        if alone and django_connection.is_usable():
            with django_connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", [name])
