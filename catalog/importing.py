"""From a feed to the catalog: all good rows or, when the file is broken, nothing.

Rows stream through the reader into a temporary table, then one transaction merges them. Memory
is bounded by a batch, whatever the file's size.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import BinaryIO

from django.utils import timezone

from catalog.feeds.options import FeedDefaults
from catalog.feeds.options import FeedFormat as ReaderFormat
from catalog.feeds.read import read_feed
from catalog.feeds.rows import FeedError, FeedItem, FeedUnreadable
from catalog.merging import COLUMNS, DEFINITIONS, cells, changed_offers, merge_items, merge_offers
from catalog.models import FeedImport, FeedRowError
from tenants.connection import connection
from tenants.deadlocks import in_transaction
from tenants.settled import unsettle

logger = logging.getLogger(__name__)

BATCH = 1_000
MAX_ERRORS_KEPT = 10_000
"""Of a feed with more bad rows than this, the first are reported and all are counted."""

STAGED = "feed_rows AS given"
STAGING = "feed_rows, feed_failed, feed_merged"

MERGE_ITEMS = f"""
    WITH merged AS ({merge_items(STAGED)})
    INSERT INTO feed_merged SELECT id, created FROM merged
"""  # noqa: S608  # made of the column names
COUNT_MERGED = f"""
    SELECT count(*) FILTER (WHERE created),
           count(*) FILTER (WHERE NOT created) + (
               SELECT count(*) FROM ({changed_offers(STAGED)}) AS changed
               WHERE changed.id NOT IN (SELECT item_id FROM feed_merged)
           )
    FROM feed_merged
"""  # noqa: S608  # made of the column names

# An item whose row was bad is in the feed all the same, and a feed without a single good row
# says nothing about the catalog.
ARCHIVE_MISSING = """
    UPDATE catalog_item i SET archived_at = now(), updated_at = now()
    WHERE archived_at IS NULL
      AND EXISTS (SELECT 1 FROM feed_rows)
      AND NOT EXISTS (SELECT 1 FROM feed_rows f WHERE f.external_id = i.external_id)
      AND NOT EXISTS (SELECT 1 FROM feed_failed f WHERE f.external_id = i.external_id)
"""


def run_import(feed_import: FeedImport, stream: BinaryIO) -> None:
    """Import `stream` and keep the outcome in `feed_import`.

    A bad row is kept as FeedRowError and does not hinder the others. A file that cannot be read
    to its end fails the import and changes nothing; the reason is in `feed_import.failure`.
    Running the same feed again changes nothing.
    """
    _forget_earlier_run(feed_import)
    feed_import.start(timezone.now())
    try:
        with _staging_tables():
            _stage(feed_import, stream)
            counts = in_transaction(lambda: _merge(full=feed_import.full))
    except FeedUnreadable as error:
        feed_import.failure = f"{error.message} ({error.code})"
        feed_import.status = FeedImport.Status.FAILED
    except BaseException:
        feed_import.failure = "The import was interrupted. Nothing was changed; start it again."
        feed_import.status = FeedImport.Status.FAILED
        raise
    else:
        feed_import.status = FeedImport.Status.DONE
        unsettle()  # the newest items are among what recommendations settle
        feed_import.created, feed_import.updated, feed_import.archived = counts
        good = feed_import.rows - feed_import.failed
        feed_import.unchanged = good - feed_import.created - feed_import.updated
    finally:
        feed_import.finished_at = timezone.now()
        feed_import.save()
    logger.info(
        "%s: %s, %d rows, %d created, %d updated, %d archived, %d failed",
        feed_import,
        feed_import.status,
        feed_import.rows,
        feed_import.created,
        feed_import.updated,
        feed_import.archived,
        feed_import.failed,
    )


def _forget_earlier_run(feed_import: FeedImport) -> None:
    feed_import.row_errors.all().delete()
    feed_import.failure = ""
    feed_import.finished_at = None
    feed_import.rows = feed_import.failed = 0
    feed_import.created = feed_import.updated = feed_import.unchanged = feed_import.archived = 0
    feed_import.save()


@contextmanager
def _staging_tables() -> Iterator[None]:
    """Temporary tables of this connection, gone at the end even if the merge fails."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {STAGING}")
        cursor.execute(f"CREATE TEMPORARY TABLE feed_rows ({DEFINITIONS})")
        cursor.execute("CREATE TEMPORARY TABLE feed_failed (external_id varchar)")
        cursor.execute("CREATE TEMPORARY TABLE feed_merged (item_id bigint, created boolean)")
    try:
        yield
    finally:
        # In a transaction that failed nothing can be dropped: its rollback takes them along.
        if not connection.needs_rollback and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute(f"DROP TABLE IF EXISTS {STAGING}")


def _stage(feed_import: FeedImport, stream: BinaryIO) -> None:
    columns: Mapping[str, str] | None = feed_import.columns or None
    rows = read_feed(
        stream,
        format=ReaderFormat(feed_import.format),
        columns=columns,
        defaults=FeedDefaults(**feed_import.options),
    )
    failed_rows: set[int] = set()
    good = 0
    while batch := list(islice(rows, BATCH)):
        items = [row for row in batch if isinstance(row, FeedItem)]
        errors = [row for row in batch if isinstance(row, FeedError)]
        _copy_items(items)
        _keep_errors(feed_import, errors)
        failed_rows.update(error.row for error in errors)
        good += len(items)
        feed_import.failed = len(failed_rows)
        feed_import.rows = good + feed_import.failed
        feed_import.save(update_fields=["rows", "failed"])


def _copy_items(items: list[FeedItem]) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY feed_rows ({', '.join(COLUMNS)}) FROM STDIN") as copy,
    ):
        for item in items:
            copy.write_row(tuple(cells(item)))


def _keep_errors(feed_import: FeedImport, errors: list[FeedError]) -> None:
    room = max(0, MAX_ERRORS_KEPT - feed_import.failed)
    FeedRowError.objects.bulk_create(
        FeedRowError(
            feed_import=feed_import,
            row=error.row,
            external_id=(error.external_id or "")[:200],
            field=error.field[:100],
            code=error.code,
            message=error.message,
            raw=error.raw,
        )
        for error in errors[:room]
    )
    named = [error.external_id for error in errors if error.external_id]
    if named:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO feed_failed SELECT unnest(%s::varchar[])", [named])


def _merge(*, full: bool) -> tuple[int, int, int]:
    """How many items were created, updated (in what they say or what they cost) and archived."""
    with connection.cursor() as cursor:
        # Merges take turns: two at once would lock each other's rows, and mix their offers.
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtext(%s))", [f"{connection.schema_name}:feeds"]
        )
        cursor.execute("ANALYZE feed_rows")
        cursor.execute("TRUNCATE feed_merged")
        cursor.execute(MERGE_ITEMS)
        cursor.execute(COUNT_MERGED)
        created, updated = cursor.fetchone() or (0, 0)
        cursor.execute(merge_offers(STAGED))
        archived = 0
        if full:
            cursor.execute(ARCHIVE_MISSING)
            archived = cursor.rowcount
    return created, updated, archived
