"""Whether the database is known to be out, so that no request waits for it in vain.

The pool waits seconds for a connection. Who can do without the database asks here first.
"""

import logging
import socket
import sys
import time
from datetime import timedelta

from django.db import InterfaceError, OperationalError

from tenants.connection import connection

logger = logging.getLogger(__name__)

KNOCK_EVERY = timedelta(seconds=2)
"""How long an outage is taken for granted before somebody looks whether it is over."""

KNOCK_SECONDS = 0.25

_out_until: float | None = None


class DatabaseIsOut(OperationalError):
    """The database did not answer just now, so it was not asked."""


def require_database() -> None:
    """Raises DatabaseIsOut while the database is known to be out. Asks nothing of it."""
    if database_is_out():
        raise DatabaseIsOut("The database is known to be out.")


def database_is_out() -> bool:
    """Whether a lost connection was noted, and the server does not listen again yet."""
    global _out_until  # noqa: PLW0603  # one database, one process: one memory of its outage
    if _out_until is None:
        return False
    if time.monotonic() < _out_until:
        return True
    # Others go on without it while this one knocks.
    _out_until = time.monotonic() + KNOCK_EVERY.total_seconds()
    if not _listens():
        return True
    logger.info("The database listens again")
    _out_until = None
    return False


def note_outage() -> None:
    """Remember that the database is out, if it is: call it where an exception was caught.

    A statement that failed on a connection that goes on is no outage.
    """
    global _out_until  # noqa: PLW0603  # as above
    error = sys.exception()
    if not isinstance(error, (OperationalError, InterfaceError)) or isinstance(
        error, DatabaseIsOut
    ):
        return
    lost = connection.connection is None or connection.connection.closed
    if lost and not connection.in_atomic_block:
        connection.close()  # so that this request takes no broken connection again
        if _out_until is None:
            logger.warning("The database is out")
        _out_until = time.monotonic() + KNOCK_EVERY.total_seconds()


def _listens() -> bool:
    host, port = connection.settings_dict["HOST"], connection.settings_dict["PORT"]
    try:
        if host.startswith("/"):
            with socket.socket(socket.AF_UNIX) as knocker:
                knocker.settimeout(KNOCK_SECONDS)
                knocker.connect(f"{host}/.s.PGSQL.{port or 5432}")
        else:
            address = (host or "localhost", int(port or 5432))
            socket.create_connection(address, timeout=KNOCK_SECONDS).close()
    except OSError:
        return False
    return True
