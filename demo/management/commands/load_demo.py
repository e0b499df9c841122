"""Load the demo: `manage.py load_demo --port 8000`. A second run is quick and changes nothing."""

import logging
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from demo.credentials import give_access, write_file
from demo.marks import DemoNotLoaded, is_loaded
from demo.stores import STORES, Store
from tenants.errors import DomainError


class Command(BaseCommand):
    help = "Open the two demo stores, fill them, and write their keys to var/demo.json."
    requires_system_checks = ()  # they read every address of the project, and take seconds

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="Where the web server will be.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("The demo is off. Set ATTUNE_DEMO=1 to have it.")
        access = []
        with self._alone(), _quiet_logs():
            for store in STORES:
                try:
                    if not is_loaded(store):
                        self.stdout.write(f"{store.name}:")
                        self._load(store)
                except (DemoNotLoaded, DomainError) as error:
                    raise CommandError(str(error)) from error
                access.append(give_access(store, port=options["port"]))
            write_file(access, port=options["port"])

    def _load(self, store: Store) -> None:
        # Imported here: a second run, which loads nothing, need not wait for numpy and scipy.
        from demo.generated import DATA  # noqa: PLC0415
        from demo.loading import load_store  # noqa: PLC0415

        load_store(store, DATA[store.schema], now=timezone.now(), step=self._step)

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        self.stdout.write(f"  {what} … ", ending="")
        self.stdout.flush()
        started = time.perf_counter()
        yield
        self.stdout.write(f"{time.perf_counter() - started:.1f} s")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One load at a time: a second one waits, and then finds everything there."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(hashtext('load_demo'))")
            if cursor.fetchone() == (False,):
                self.stdout.write("Another load of the demo is under way; waiting for it.")
                cursor.execute("SELECT pg_advisory_lock(hashtext('load_demo'))")
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtext('load_demo'))")


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """The steps say it all; what the product logs of each would stand between them."""
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
