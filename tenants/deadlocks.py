"""Doing a transaction again that Postgres gave up so that another could go on."""

import logging
from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected

logger = logging.getLogger(__name__)

T = TypeVar("T")

TRIES = 5


def in_transaction(work: Callable[[], T]) -> T:
    """Run `work` in a transaction, and again from the start when it was a deadlock's victim.

    `work` must not change anything outside of the database. Inside a transaction of the caller's
    a deadlock is raised: only the caller can start that one anew.
    """
    for left in reversed(range(TRIES)):
        try:
            with transaction.atomic():
                return work()
        except OperationalError as error:
            is_deadlock = isinstance(error.__cause__, DeadlockDetected)
            if not is_deadlock or not left or connection.in_atomic_block:
                raise
            logger.warning("A deadlock was met; starting the transaction anew")
    raise AssertionError("The last try returns or raises.")
