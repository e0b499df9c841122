"""`manage.py services start|stop|status`: the embedded Postgres and Valkey."""

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.embedded.commands import run
from config.embedded.errors import EmbeddedServiceError


class Command(BaseCommand):
    help = "Start or stop the embedded Postgres and Valkey, or say how they are."
    requires_system_checks: list[str] = []  # checks may need the very database to be started

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=("start", "stop", "status"))

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            code = run(options["action"], settings.VAR_DIR, self.stdout.write)
        except EmbeddedServiceError as error:
            raise CommandError(str(error)) from error
        if code:
            sys.exit(code)
