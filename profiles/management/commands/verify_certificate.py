"""Verify a certificate of an erasure, offline: `manage.py verify_certificate FILE`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from profiles.certificates import NotValid, verify


class Command(BaseCommand):
    help = "Say whether a certificate is as it was signed. Needs neither database nor network."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--key", default="", help="The signer's public key, from GET /api/v1/privacy/key."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            text = options["file"].read_bytes()
        except OSError as error:
            raise CommandError(f"The file cannot be read: {error.strerror}.") from error
        try:
            verified = verify(text, key=options["key"])
        except NotValid as error:
            raise CommandError(f"NOT VALID: {error}") from error
        stores = verified.certificate.get("stores", [])
        found = sum(store["found"] for store in stores)
        left = sum(store["remaining"] for store in stores)
        self.stdout.write(
            f"VALID: erasure {verified.certificate['request']} of the tenant"
            f" {verified.certificate['tenant']}, finished {verified.certificate['finished_at']}."
        )
        self.stdout.write(f"{found} entries in {len(stores)} stores were found, {left} remain.")
        self.stdout.write(f"Signed by the key {verified.signed_by}.")
        if not options["key"]:
            self.stdout.write("Compare it with the shop's own, or pass that with --key.")
