"""Clean a restored backup: `manage.py replay_erasures [--tenant shop]`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django_tenants.utils import schema_context

from profiles.replay import replay_erasures
from tenants.models import Tenant


class Command(BaseCommand):
    help = (
        "Erase again whoever was erased since a restored backup was taken, by the tombstones in"
        " PRIVACY_DIR. Run it before the restored database serves anybody."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", help="The schema of one tenant; all without it.")

    def handle(self, *args: Any, **options: Any) -> None:
        tenants = Tenant.objects.order_by("schema_name")
        if options["tenant"] is not None:
            tenants = tenants.filter(schema_name=options["tenant"])
            if not tenants:
                raise CommandError(f"There is no tenant {options['tenant']!r}.")
        for tenant in tenants:
            with schema_context(tenant.schema_name):
                done = replay_erasures()
            if done.unfinished:
                self.stderr.write(
                    f"{tenant.schema_name}: of {done.unfinished} shoppers something is left, as the"
                    " page of each request says. The worker goes on with them."
                )
            self.stdout.write(
                f"{tenant.schema_name}: {done.shoppers} shoppers and {done.reviews} reviews erased"
                f" again, {done.tombstones} tombstones put up again"
            )
