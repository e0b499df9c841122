"""What was wrong with a feed, as a CSV file that a merchant can open and mend from."""

import csv
from collections.abc import Iterator, Sequence

from django_tenants.utils import schema_context

from catalog.models import FeedRowError

COLUMNS = ("row", "external_id", "field", "code", "message", "raw")
BATCH = 1_000

RUNNABLE = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins like this for a formula, and the cell is a stranger's
(https://owasp.org/www-community/attacks/CSV_Injection)."""


class Line:
    """What `csv.writer` writes to: the last line, to be handed on."""

    text = ""

    def write(self, text: str) -> None:
        self.text = text


def error_report(feed_import_id: int, *, schema: str) -> Iterator[str]:
    """The report's lines, header first, in the feed's order; memory for a batch at a time.

    Each batch enters the tenant's `schema` by itself, for a streamed response is read when the
    request's schema has been left already.
    """
    line = Line()
    writer = csv.writer(line)
    writer.writerow(COLUMNS)
    yield line.text
    last = 0
    while batch := _read_batch(feed_import_id, after=last, schema=schema):
        last = batch[-1].pk
        for error in batch:
            writer.writerow(inert([getattr(error, column) for column in COLUMNS]))
            yield line.text


def _read_batch(feed_import_id: int, *, after: int, schema: str) -> list[FeedRowError]:
    with schema_context(schema):
        errors = FeedRowError.objects.filter(feed_import=feed_import_id, pk__gt=after)
        return list(errors.order_by("pk")[:BATCH])


def inert(cells: Sequence[object]) -> list[str]:
    """The cells as texts that no spreadsheet runs."""
    texts = [str(cell) for cell in cells]
    return [f"'{text}" if text.startswith(RUNNABLE) else text for text in texts]
