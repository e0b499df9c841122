"""Mint an API key: `manage.py mint_key shop "storefront server"`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django_tenants.utils import schema_context

from tenants.keys import mint_key
from tenants.models import Scope, Tenant


class Command(BaseCommand):
    help = "Mint a secret API key for a tenant. Its text is printed once and kept nowhere."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("schema_name")
        parser.add_argument("name", help="Who uses it, such as 'storefront server'.")
        parser.add_argument("--scope", action="append", choices=Scope.values, dest="scopes")
        parser.add_argument("--requests-per-minute", type=int, default=6000)

    def handle(self, *args: Any, **options: Any) -> None:
        if not Tenant.objects.filter(schema_name=options["schema_name"]).exists():
            raise CommandError(f"There is no tenant {options['schema_name']!r}.")
        with schema_context(options["schema_name"]):
            _, text = mint_key(
                options["name"],
                scopes=options["scopes"] or Scope.values,
                requests_per_minute=options["requests_per_minute"],
            )
        self.stdout.write(text)
