"""What was wrong with a feed, as a CSV file that a merchant can open and mend from."""

from collections.abc import Iterator

from django_tenants.utils import schema_context

from catalog.models import FeedRowError
from tenants.csv_lines import csv_lines

COLUMNS = ("row", "external_id", "field", "code", "message", "raw")
BATCH = 1_000


def error_report(feed_import_id: int, *, schema: str) -> Iterator[str]:
    """The report's lines, header first, in the feed's order; memory for a batch at a time.

    Each batch enters the tenant's `schema` by itself, for a streamed response is read when the
    request's schema has been left already.
    """
    errors = _read(feed_import_id, schema=schema)
    return csv_lines(COLUMNS, ([getattr(e, column) for column in COLUMNS] for e in errors))


def _read(feed_import_id: int, *, schema: str) -> Iterator[FeedRowError]:
    last = 0
    while batch := _read_batch(feed_import_id, after=last, schema=schema):
        last = batch[-1].pk
        yield from batch


def _read_batch(feed_import_id: int, *, after: int, schema: str) -> list[FeedRowError]:
    with schema_context(schema):
        errors = FeedRowError.objects.filter(feed_import=feed_import_id, pk__gt=after)
        return list(errors.order_by("pk")[:BATCH])
