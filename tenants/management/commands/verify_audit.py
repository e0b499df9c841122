"""Verify audit trails: `manage.py verify_audit [--tenant shop] [--anchor 12:9f86…]`."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tenants.audit_chain import Mark, verify
from tenants.models import Tenant


def mark(text: str) -> Mark:
    """Raises ArgumentTypeError for what is no number and hash with a colon between them."""
    number, _, hash_ = text.partition(":")
    if not number.isdecimal() or len(hash_) != 64:
        raise ArgumentTypeError("An anchor is written as this command prints it: 12:9f86d081…")
    return Mark(int(number), hash_)


class Command(BaseCommand):
    help = (
        "Say whether each tenant's audit trail is whole, and where it ends. Fails on a changed,"
        " removed, inserted or moved entry, and on a cut tail."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", help="The schema of one tenant; all without it.")
        parser.add_argument(
            "--anchor",
            type=mark,
            help="The end that this command printed before, as NUMBER:HASH: kept outside of the"
            " database it shows any change before it. Needs --tenant.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        schema, anchor = options["tenant"], options["anchor"]
        if anchor is not None and schema is None:
            raise CommandError("An anchor is of one tenant's trail: say --tenant, too.")
        tenants = Tenant.objects.order_by("schema_name")
        if schema is not None:
            tenants = tenants.filter(schema_name=schema)
            if not tenants:
                raise CommandError(f"There is no tenant {schema!r}.")
        broken = 0
        for tenant in tenants:
            verdict = verify(tenant, anchor=anchor)
            state = "whole" if verdict.clean else "NOT WHOLE"
            self.stdout.write(
                f"{tenant.schema_name}: {state}, {verdict.entries:,} entries, ends at {verdict.end}"
            )
            for finding in verdict.findings:
                self.stdout.write(f"  {finding.number} {finding.attack}: {finding.detail}")
            broken += not verdict.clean
        if broken:
            raise CommandError(f"{broken} of {len(tenants)} trails are not whole.")
