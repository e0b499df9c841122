"""How well queries are understood: `manage.py evaluate_understanding queries.jsonl`."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.search.understanding.measure import (
    LabeledQuery,
    measure,
    read_labeled,
    vocabulary_of,
)


class Command(BaseCommand):
    help = "Precision and recall of price bounds and options, against labeled queries, as JSON."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file",
            type=Path,
            help="JSON Lines: `query`, and `reward` with `price`, `attributes` and `sku_options`.",
        )
        parser.add_argument(
            "--currency",
            action="append",
            default=[],
            help="The catalog's, as an ISO code; may be repeated. By default any is understood.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        rows = _read(options["file"])
        if not rows:
            raise CommandError("The file has no queries.")
        result = measure(rows, vocabulary_of(rows, currencies=options["currency"]))
        self.stdout.write(json.dumps(result))


def _read(path: Path) -> list[LabeledQuery]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}.") from error
    return [_labeled(line, number) for number, line in enumerate(lines, start=1) if line.strip()]


def _labeled(line: str, number: int) -> LabeledQuery:
    try:
        return read_labeled(json.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise CommandError(f"Line {number} is no labeled query: {error!r}.") from error
