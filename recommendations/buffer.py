"""What is noted of an answer on its way to the tables: this process, a list in Valkey, a task.

The list is, with Valkey's append-only file, as good as on disk. The task removes what it has
committed, and so loses nothing.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from django.db import DatabaseError, connection, transaction
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from recommendations.fallbacks import Fallback, note_fallback
from recommendations.outbox import Note, Outbox
from tenants.outage import require_database
from tenants.settled import generation_key
from tenants.tasks import current_schema, find_current_tenant

logger = logging.getLogger(__name__)

BATCH = 500

PUSH_IF_OPEN = """
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
return redis.call('RPUSH', KEYS[1], unpack(ARGV))
"""

Entry = dict[str, Any]


class Buffer:
    """A list of JSON objects for each schema. `write` puts entries into the tables, where it has to
    recognize those that are there already; `fallback` counts entries for which all was out.

    An entry says in `tenant` whose it is: a schema's name may be used again by another one.
    """

    def __init__(
        self, name: str, write: Callable[[Sequence[Entry]], None], *, fallback: Fallback
    ) -> None:
        self._name = name
        self._write = write
        self._fallback = fallback
        self._outbox = Outbox(self._send)

    def key(self) -> str:
        """Where the current schema's list is kept."""
        return f"{current_schema()}:{self._name}"

    def add(self, note: Note) -> None:
        """Note a JSON object; it is in the list some milliseconds later (`outbox`)."""
        self._outbox.add(note)

    def move(self) -> int:
        """Move what is in the list to the tables; how many entries that were.

        Safe to interrupt and to run twice: an entry is removed by what it says, so two writers
        cannot remove more than they wrote.
        """
        self._outbox.flush()
        buffer = get_redis_connection("default")
        written = 0
        while entries := buffer.lrange(self.key(), 0, BATCH - 1):
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [self.key()])
                self._write_ours(entries)
            with buffer.pipeline() as pipeline:
                for entry in entries:
                    pipeline.lrem(self.key(), 1, entry)
                written += sum(pipeline.execute())
        return written

    def _send(self, entries: Sequence[bytes]) -> None:
        """Push entries to the current schema's list; to the tables when Valkey is out.

        A schema without a generation belongs to a tenant that was closed, or Valkey has just lost
        all that it held: nothing is left behind there.
        """
        try:
            buffer = get_redis_connection("default")
            keys = self.key(), generation_key(current_schema())
            if buffer.eval(PUSH_IF_OPEN, len(keys), *keys, *entries):
                return
        except RedisError:
            logger.exception("The buffer of %s is out", self._name)
        try:
            require_database()
            self._write_ours(entries)
        except DatabaseError:
            for _ in entries:
                note_fallback(self._fallback)

    def _write_ours(self, entries: Sequence[bytes]) -> None:
        tenant = find_current_tenant()
        if tenant is None:
            return  # closed meanwhile: these are nobody's
        read = map(orjson.loads, entries)
        self._write([entry for entry in read if entry.get("tenant") in {None, tenant.pk}])
