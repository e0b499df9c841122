"""Change what a tenant is called and counts in: `manage.py change_tenant shop --time-zone UTC`."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from tenants.models import Tenant

FIELDS = ("name", "currency", "language", "time_zone")


class Command(BaseCommand):
    help = "Change a tenant's name, currency, language or time zone, from the next request on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("schema_name")
        for field in FIELDS:
            parser.add_argument(f"--{field.replace('_', '-')}")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tenant = Tenant.objects.get(schema_name=options["schema_name"])
        except Tenant.DoesNotExist as error:
            raise CommandError(f"There is no tenant {options['schema_name']!r}.") from error
        changes = {field: options[field] for field in FIELDS if options[field] is not None}
        if not changes:
            raise CommandError("Say what to change: --name, --currency, --language, --time-zone.")
        for field, value in changes.items():
            setattr(tenant, field, value)
        try:
            tenant.clean_fields()
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        tenant.save(update_fields=list(changes))
        self.stdout.write(f"Changed {', '.join(changes)} of {tenant.name}.")
