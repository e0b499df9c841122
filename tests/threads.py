"""Running things at the same moment, each over a database connection of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django_tenants.utils import schema_context

from tenants.connection import connection

T = TypeVar("T")

PATIENCE_SECONDS = 60


def at_once(*jobs: Callable[[], T]) -> list[T]:
    """Run the jobs in threads that begin together, and in the caller's schema unless a job enters
    another; what each returns, in order. Raises what the first that failed raised.

    Needs committed rows (the `committed` fixture): no thread sees another's open transaction.
    """
    gate = threading.Barrier(len(jobs))
    schema = connection.schema_name

    def run(job: Callable[[], T]) -> T:
        try:
            with schema_context(schema):
                gate.wait(PATIENCE_SECONDS)
                return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        futures = [pool.submit(run, job) for job in jobs]
        return [future.result(PATIENCE_SECONDS) for future in futures]
