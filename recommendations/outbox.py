"""What is noted, on its way from this process to its buffer: several in one write, afterwards.

A process that is killed without a word loses what it answered within `SENT_EVERY` and one write
more, at most; never more than `MOST_WAITING` entries. One that ends in an orderly way loses none.
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from multiprocessing.util import Finalize

from django_tenants.utils import schema_context

from tenants.connection import connection

logger = logging.getLogger(__name__)

SENT_EVERY = timedelta(milliseconds=50)
"""How long an entry waits for company; zero sends each at once, before the answer."""

MOST_WAITING = 200
"""With so many waiting, the one who adds another sends them all."""

Note = bytes | Callable[[], bytes]
"""An entry, or what writes it down: that is done after the answer, too."""

Send = Callable[[Sequence[bytes]], None]


class Outbox:
    """Entries of any schema, sent in order and in batches by `send`, which runs in their schema.

    What `send` raises is logged, and stops neither the entries of other schemas nor an answer.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._forget()
        # A forked process must not send what its parent will.
        os.register_at_fork(after_in_child=self._forget)
        # Also where the server forked this process, which `atexit` does not notice.
        Finalize(None, self.flush, exitpriority=10)

    def _forget(self) -> None:
        self._waiting: deque[tuple[str, Note]] = deque()
        self._sending = threading.Lock()
        self._added = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, note: Note) -> None:
        """Send it soon, in the current schema."""
        self._waiting.append((connection.schema_name, note))
        if not SENT_EVERY or len(self._waiting) >= MOST_WAITING:
            self.flush()
            return
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
            self._thread.start()
        self._added.set()

    def flush(self) -> None:
        """Send what waits, now; returns when it is sent, by whomever. Never raises."""
        with self._sending:
            by_schema: dict[str, list[bytes]] = {}
            while self._waiting:
                schema, note = self._waiting.popleft()
                try:
                    entry = note if isinstance(note, bytes) else note()
                except Exception:
                    logger.exception("An entry of %s is lost", schema)
                    continue
                by_schema.setdefault(schema, []).append(entry)
            for schema, entries in by_schema.items():
                try:
                    self._send_to(schema, entries)
                except Exception:
                    logger.exception("%d entries of %s are lost", len(entries), schema)

    def _send_to(self, schema: str, entries: Sequence[bytes]) -> None:
        if schema == connection.schema_name:
            self._send(entries)
            return
        with schema_context(schema):
            self._send(entries)

    def _run(self) -> None:
        while True:
            self._added.wait()
            self._added.clear()
            time.sleep(SENT_EVERY.total_seconds())
            try:
                self.flush()
            finally:
                connection.close()  # used only where the buffer is out; the pool takes it back
