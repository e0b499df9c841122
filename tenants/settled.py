"""What every request needs and hardly ever changes, kept in this process until it does.

Each schema has a generation in Valkey, a random token. A value is good as long as the token is the
one it was read under; whoever changes one of these rows calls `unsettle`, and every process reads
anew. So a request costs one small read for all of its settled values, and a change holds from the
next request on.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from django.db import DatabaseError, models, transaction
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from tenants.connection import connection, tenant_id
from tenants.outage import note_outage, require_database

logger = logging.getLogger(__name__)

T = TypeVar("T")
M = TypeVar("M", bound=models.Model)

MOST_KEPT = 20_000
"""Values in one process; beyond it all are dropped and read again as they are needed."""

KEPT_FOR = timedelta(minutes=10)
"""A change that could not be told, because Valkey was out just then, is noticed after this."""

IN_AN_OUTAGE = timedelta(minutes=1)
"""While Valkey is out a change cannot be noticed, so values are good for this long only; while
the database is out, for this long nobody waits for it again."""


def generation_key(schema: str) -> str:
    """Where a schema's generation is kept; the same in every release, unlike what is cached."""
    return f"{schema}:generation"


@dataclass(frozen=True, slots=True)
class _Kept:
    value: Any
    generation: bytes | None
    until: float


# A name of a schema may be used again by another tenant, so the tenant's id tells whose it is.
_kept: dict[tuple[str, int | None, str], _Kept] = {}
_looked_up: ContextVar[dict[str, bytes | None] | None] = ContextVar("generations", default=None)


@contextmanager
def one_look() -> Iterator[None]:
    """Within it a generation is read once: what holds at the start of a request holds for it."""
    token = _looked_up.set({})
    try:
        yield
    finally:
        _looked_up.reset(token)


def note_generations(found: Mapping[str, bytes | None]) -> None:
    """Within `one_look`: what `look_ahead` found of these schemas; None where Valkey is out."""
    looked_up = _looked_up.get()
    if looked_up is not None:
        looked_up.update(found)


def current_generation() -> str | None:
    """What everything settled of the current schema is good for; None while Valkey is out."""
    found = _generation()
    return None if found is None else found.decode()


def kept_value(name: str, *, schema: str, tenant: int | None) -> Any:
    """What this process keeps, good or not: a guess at what is needed, never an answer."""
    kept = _kept.get((schema, tenant, name))
    return None if kept is None else kept.value


def settled(name: str, read: Callable[[], T | None], *, at_most: timedelta = KEPT_FOR) -> T | None:
    """What `read` returned in the current schema, if that is still good; else what it returns now.

    None is not kept. While the database is out the value kept before is taken, however old; then
    nobody can change it either. Raises DatabaseError when there is none.
    """
    place = connection.schema_name, tenant_id(), name
    # Before reading: what changes while we read is then noticed.
    generation = _generation()
    kept = _kept.get(place)
    if kept is not None and kept.generation == generation and time.monotonic() < kept.until:
        value: T | None = kept.value
        return value
    good_for = at_most if generation is not None else min(at_most, IN_AN_OUTAGE)
    try:
        require_database()
        value = read()
    except DatabaseError:
        note_outage()
        if kept is None:
            raise
        logger.exception("%s is taken from memory: the database is out", name.partition(":")[0])
        value, good_for = kept.value, IN_AN_OUTAGE
    if value is None:
        _kept.pop(place, None)
        return None
    if len(_kept) >= MOST_KEPT:
        _kept.clear()
    _kept[place] = _Kept(value, generation, time.monotonic() + good_for.total_seconds())
    return value


def unsettle() -> None:
    """Let everything settled of the current schema be read anew, by every process: now and after
    commit, because until then another process reads and keeps the old rows."""
    schema = connection.schema_name
    _renew(schema)
    if connection.in_atomic_block:
        transaction.on_commit(lambda: _renew(schema))


class SettledQuerySet(models.QuerySet[M]):
    """Rows of which settled values are made: changing many of them at once is noticed, too.

    Their model calls `unsettle` where one of them is saved or deleted.
    """

    def update(self, **values: Any) -> int:
        changed = super().update(**values)
        unsettle()
        return changed

    def delete(self) -> tuple[int, dict[str, int]]:
        deleted = super().delete()
        unsettle()
        return deleted


def _renew(schema: str) -> None:
    try:
        get_redis_connection("default").set(generation_key(schema), _new_generation())
    except RedisError:
        logger.exception("Other processes cannot be told of a change: Valkey is out")
    for place in [place for place in _kept if place[0] == schema]:
        _kept.pop(place, None)
    looked_up = _looked_up.get()
    if looked_up is not None:
        looked_up.pop(schema, None)


def _generation() -> bytes | None:
    """The current schema's token; None while Valkey is out."""
    schema = connection.schema_name
    looked_up = _looked_up.get()
    if looked_up is not None and schema in looked_up:
        return looked_up[schema]
    generation = _read_generation(generation_key(schema))
    if looked_up is not None:
        looked_up[schema] = generation
    return generation


def _read_generation(key: str) -> bytes | None:
    store = get_redis_connection("default")
    try:
        found: bytes | None = store.get(key)
        if found is None:
            store.set(key, _new_generation(), nx=True)
            found = store.get(key)
    except RedisError:
        logger.exception("Settled values are good for a minute: Valkey is out")
        return None
    return found


def _new_generation() -> str:
    return secrets.token_hex(8)
