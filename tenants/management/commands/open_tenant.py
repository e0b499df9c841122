"""Open a tenant: `manage.py open_tenant shop "Northwind" shop.localhost`."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from tenants.errors import DomainError
from tenants.opening import open_tenant


class Command(BaseCommand):
    help = "Open a tenant with its own schema, reachable at a host."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("schema_name")
        parser.add_argument("name")
        parser.add_argument("host")
        parser.add_argument("--currency", default="EUR")
        parser.add_argument("--language", default="en")
        parser.add_argument("--time-zone", default="UTC", help="Such as Europe/Berlin.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tenant = open_tenant(
                schema_name=options["schema_name"],
                name=options["name"],
                host=options["host"],
                currency=options["currency"],
                language=options["language"],
                time_zone=options["time_zone"],
            )
        except DomainError as error:
            raise CommandError(error.detail) from error
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        self.stdout.write(f"Opened {tenant.name} ({tenant.schema_name}) at {options['host']}.")
