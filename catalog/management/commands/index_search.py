"""Write the search index and the file of vectors of this machine:
`manage.py index_search [--tenant shop] [--follow]`."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django_tenants.utils import get_public_schema_name, schema_context

from catalog.search.indexing import update_index
from catalog.search.storage import IndexBusy
from catalog.vectors import write_vectors
from tenants.models import Tenant

PAUSE_SECONDS = 10


class Command(BaseCommand):
    help = (
        "Write what changed into the search indexes and the files of vectors, of every tenant or of"
        " one. A machine that shares no folder with the workers runs it with --follow."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", metavar="SCHEMA", help="Only this one.")
        parser.add_argument("--anew", action="store_true", help="Build the index from nothing.")
        parser.add_argument("--follow", action="store_true", help="Go on, until interrupted.")

    def handle(self, *args: Any, **options: Any) -> None:
        while True:
            for schema in self._schemas(options["tenant"]):
                self._update(schema, anew=options["anew"], follow=options["follow"])
            if not options["follow"]:
                return
            options["anew"] = False
            time.sleep(PAUSE_SECONDS)

    def _schemas(self, only: str | None) -> list[str]:
        with schema_context(get_public_schema_name()):
            schemas = list(Tenant.objects.values_list("schema_name", flat=True))
        if only is None:
            return schemas
        if only not in schemas:
            raise CommandError(f"There is no tenant {only!r}.")
        return [only]

    def _update(self, schema: str, *, anew: bool, follow: bool) -> None:
        try:
            with schema_context(schema):
                done = update_index(anew=anew)
                write_vectors(anew=anew)
        except IndexBusy:
            self.stdout.write(f"{schema}: another process writes its index.")
        except DatabaseError as error:
            if not follow:
                raise
            self.stderr.write(f"{schema}: {error}")
        else:
            if done.written or done.removed or not follow:
                self.stdout.write(f"{schema}: {done.written} written, {done.removed} removed.")
