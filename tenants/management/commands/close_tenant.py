"""Close a tenant after exporting it: `manage.py close_tenant shop`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from tenants.closing import close_tenant, export_tenant
from tenants.models import Tenant


class Command(BaseCommand):
    help = "Export a tenant to a ZIP, then remove its schema, files, cache and hosts for good."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("schema_name")
        parser.add_argument("--confirm", help="The tenant's name, instead of being asked for it.")
        parser.add_argument("--export", type=Path, help="Where the ZIP goes.")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(schema_name=options["schema_name"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['schema_name']!r}.")
        said = options["confirm"] or input(
            f"This removes {tenant.name} for good. Type its name to go on: "
        )
        if said != tenant.name:
            raise CommandError("That is not its name. Nothing was changed.")
        stamp = timezone.now().strftime("%Y%m%dT%H%M%S")
        path = options["export"] or (
            settings.VAR_DIR / "exports" / f"{tenant.schema_name}-{stamp}.zip"
        )
        try:
            tables = export_tenant(tenant, path)
        except FileExistsError as error:
            raise CommandError(f"{path} exists. Nothing was changed.") from error
        self.stdout.write(f"Exported {tables} tables to {path}.")
        name = tenant.name
        close_tenant(tenant)
        self.stdout.write(f"Closed {name}.")
