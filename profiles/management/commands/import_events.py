"""Import a historical event log: `manage.py import_events shop orders.csv --column …`."""

import gzip
from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django_tenants.utils import schema_context

from profiles.event_log import LogFormat, import_events
from profiles.models import EventKind, Purpose
from profiles.old_events import EVENTS
from profiles.retention import kept_days
from tenants.errors import DomainError
from tenants.models import Tenant

CHOICES = {"granted": True, "withdrawn": False}


class Command(BaseCommand):
    help = (
        "Import a historical event log. Say on what consent it may be used; without --consent it"
        " is stored and not used."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("schema_name")
        parser.add_argument("file", type=Path, help="CSV with a header; .gz is unpacked.")
        parser.add_argument(
            "--column",
            action="append",
            required=True,
            metavar="field=Column",
            help="As shopper=CustomerID, item=StockCode, occurred_at=InvoiceDate.",
        )
        parser.add_argument("--kind", choices=EventKind.values, default=EventKind.PURCHASE)
        parser.add_argument("--time-format", default="", help="strptime's; ISO 8601 if left out.")
        parser.add_argument("--time-zone", default="UTC")
        parser.add_argument("--currency", default="")
        parser.add_argument(
            "--consent",
            action="append",
            default=[],
            metavar="purpose=granted|withdrawn",
            help="What the shoppers of this log agreed to, as personalization=granted; repeatable.",
        )
        parser.add_argument(
            "--source", default="", help="Where they agreed. Needed with --consent."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        schema, path = options["schema_name"], options["file"]
        if not Tenant.objects.filter(schema_name=schema).exists():
            raise CommandError(f"There is no tenant {schema!r}.")
        if not path.is_file():
            raise CommandError(f"There is no file {path}.")
        purposes = self._purposes(options["consent"])
        if purposes and not options["source"]:
            raise CommandError("Say with --source where the shoppers gave this consent.")
        try:
            log_format = LogFormat(
                columns=dict(column.split("=", 1) for column in options["column"]),
                kind=options["kind"],
                time_format=options["time_format"],
                time_zone=options["time_zone"],
                currency=options["currency"],
            )
            opened = gzip.open if path.suffix == ".gz" else open
            with (
                schema_context(schema),
                opened(path, "rt", encoding="utf-8-sig", newline="") as stream,
            ):
                event_import, report = import_events(
                    stream,
                    log_format,
                    file_name=path.name,
                    purposes=purposes,
                    source=options["source"],
                )
                days = kept_days()[EVENTS.kind]
        except DomainError as error:
            raise CommandError(error.detail) from error
        except UnicodeDecodeError as error:
            raise CommandError(f"The file is not UTF-8: {error}.") from error
        for row_error in report.errors[:20]:
            self.stderr.write(f"Line {row_error.row}: {row_error.message} ({row_error.code})")
        self.stdout.write(
            f"{event_import.rows} rows: {event_import.stored_events} stored,"
            f" {event_import.repeated} repeated, {event_import.failed} refused"
            f" {dict(report.errors_by_code)}."
        )
        if report.oldest and report.oldest < timezone.now() - timedelta(days=days):
            self.stderr.write(
                f"The oldest event is of {report.oldest:%F}. This shop keeps events for {days:,}"
                " days, and the coming night removes what is older: to keep it, set a rule under"
                " Retention in the admin now."
            )
        if not event_import.purposes:
            self.stdout.write("No purpose was granted: the log is stored and not used.")

    def _purposes(self, given: list[str]) -> dict[Purpose, bool]:
        purposes = {}
        for choice in given:
            name, _, word = choice.partition("=")
            if name not in Purpose.values or word not in CHOICES:
                raise CommandError(
                    f"{choice!r} is not purpose=granted or purpose=withdrawn, with a purpose of"
                    f" {', '.join(Purpose.values)}."
                )
            purposes[Purpose(name)] = CHOICES[word]
        return purposes
