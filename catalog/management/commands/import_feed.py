"""Import a feed from a file: `manage.py import_feed shop products.csv --format csv`."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django_tenants.utils import schema_context

from catalog.feeds.detect import detect_format
from catalog.importing import run_import
from catalog.models import FeedContent, FeedFormat, FeedImport
from catalog.quality.refresh import check_changed
from catalog.tasks import embed_changed_items
from tenants.models import Tenant


class Command(BaseCommand):
    help = "Import items, reviews or links from a feed. Bad rows are reported, the rest imported."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("schema_name")
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--content",
            choices=FeedContent.values,
            default=FeedContent.ITEMS,
            help="What a row is; items if left out.",
        )
        parser.add_argument("--format", choices=FeedFormat.values, help="Guessed if left out.")
        parser.add_argument(
            "--column",
            action="append",
            default=[],
            metavar="'Feed column=field'",
            help="CSV only, once for each column, as 'Name=title'.",
        )
        parser.add_argument("--options", default="{}", help='JSON, as \'{"currency": "GBP"}\'.')
        parser.add_argument(
            "--full", action="store_true", help="Archive the items that the feed does not list."
        )
        parser.add_argument("--embed", action="store_true", help="Embed what changed right away.")

    def handle(self, *args: Any, **options: Any) -> None:
        schema, path = options["schema_name"], options["file"]
        if not Tenant.objects.filter(schema_name=schema).exists():
            raise CommandError(f"There is no tenant {schema!r}.")
        if not path.is_file():
            raise CommandError(f"There is no file {path}.")
        with schema_context(schema), path.open("rb") as stream:
            guessed = options["format"] or detect_format(path.name, stream.read(4096))
            stream.seek(0)
            feed_import = FeedImport.objects.create(
                content=options["content"],
                format=guessed,
                file_name=path.name,
                columns=dict(column.split("=", 1) for column in options["column"]),
                options=json.loads(options["options"]),
                full=options["full"],
            )
            run_import(feed_import, stream)
            check_changed()
        if feed_import.status == FeedImport.Status.FAILED:
            raise CommandError(f"Nothing was imported. {feed_import.failure}")
        self.stdout.write(
            f"{feed_import.rows} rows: {feed_import.created} created, {feed_import.updated}"
            f" updated, {feed_import.unchanged} unchanged, {feed_import.archived} archived,"
            f" {feed_import.failed} failed (see import {feed_import.pk} in the admin)."
        )
        if options["embed"]:
            embed_changed_items(schema)
