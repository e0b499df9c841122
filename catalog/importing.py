"""From a feed to the catalog: all good rows or, when the file is broken, nothing.

Rows stream through the reader into temporary tables, then one transaction merges them. Memory is
bounded by a batch, whatever the file's size. What a row is, its intake knows.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, BinaryIO

from django.utils import timezone

from catalog.feeds.options import FeedDefaults
from catalog.feeds.options import FeedFormat as ReaderFormat
from catalog.feeds.rows import FeedError, FeedUnreadable
from catalog.intakes.intake import Counts, Intake
from catalog.intakes.items import ItemIntake
from catalog.intakes.links import LinkIntake
from catalog.intakes.reviews import ReviewIntake
from catalog.models import FeedContent, FeedImport, FeedRowError
from tenants.connection import connection
from tenants.deadlocks import in_transaction
from tenants.settled import unsettle

logger = logging.getLogger(__name__)

BATCH = 1_000
MAX_ERRORS_KEPT = 10_000
"""Of a feed with more bad rows than this, the first are reported and all are counted."""

PERSONAL_FIELDS = frozenset({"", "author", "shopper", "text", "title"})
"""Of a review; without a name the whole row."""

INTAKES: dict[str, Intake[Any]] = {
    FeedContent.ITEMS: ItemIntake(),
    FeedContent.REVIEWS: ReviewIntake(),
    FeedContent.LINKS: LinkIntake(),
}


def run_import(feed_import: FeedImport, stream: BinaryIO) -> None:
    """Import `stream` and keep the outcome in `feed_import`.

    A bad row is kept as FeedRowError and does not hinder the others. A file that cannot be read
    to its end fails the import and changes nothing; the reason is in `feed_import.failure`.
    Running the same feed again changes nothing.
    """
    _forget_earlier_run(feed_import)
    feed_import.start(timezone.now())
    intake = INTAKES[feed_import.content]
    try:
        with _staging_tables(intake):
            _stage(feed_import, stream, intake)
            counts = in_transaction(lambda: _merge(intake, full=feed_import.full))
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
        feed_import.created, feed_import.updated, feed_import.archived, names_erased = counts
        if names_erased and feed_import.file:
            feed_import.file.delete(save=False)
        good = feed_import.rows - feed_import.failed
        # A row of links may count as failed and as created: a part of it was not known.
        feed_import.unchanged = max(0, good - feed_import.created - feed_import.updated)
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
def _staging_tables(intake: Intake[Any]) -> Iterator[None]:
    """Temporary tables of this connection, gone at the end even if the merge fails."""
    tables = {"feed_failed": "external_id varchar", **intake.tables}
    drop = f"DROP TABLE IF EXISTS {', '.join(tables)}"
    with connection.cursor() as cursor:
        cursor.execute(drop)
        for name, definitions in tables.items():
            cursor.execute(f"CREATE TEMPORARY TABLE {name} ({definitions})")
    try:
        yield
    finally:
        # In a transaction that failed nothing can be dropped: its rollback takes them along.
        if not connection.needs_rollback and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute(drop)


def _stage(feed_import: FeedImport, stream: BinaryIO, intake: Intake[Any]) -> None:
    rows = intake.read(
        stream,
        format=ReaderFormat(feed_import.format),
        columns=feed_import.columns or None,
        defaults=FeedDefaults(**feed_import.options),
    )
    failed_rows: set[int] = set()
    good = 0
    while batch := list(islice(rows, BATCH)):
        read = [row for row in batch if not isinstance(row, FeedError)]
        errors = [row for row in batch if isinstance(row, FeedError)]
        errors += intake.stage(read)
        _keep_errors(feed_import, errors)
        failed_rows.update(error.row for error in errors)
        good += sum(row.row not in failed_rows for row in read)
        feed_import.failed = len(failed_rows)
        feed_import.rows = good + feed_import.failed
        feed_import.save(update_fields=["rows", "failed"])


def _kept_of(error: FeedError, content: str) -> str:
    """What was wrong, to be shown; nothing that a shopper may have written, or is called."""
    personal = content == FeedContent.REVIEWS and error.field in PERSONAL_FIELDS
    return "" if personal else error.raw


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
            raw=_kept_of(error, feed_import.content),
        )
        for error in errors[:room]
    )
    named = [error.external_id for error in errors if error.external_id]
    if named:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO feed_failed SELECT unnest(%s::varchar[])", [named])


def _merge(intake: Intake[Any], *, full: bool) -> Counts:
    with connection.cursor() as cursor:
        # Merges take turns: two at once would lock each other's rows, and mix their offers.
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtext(%s))", [f"{connection.schema_name}:feeds"]
        )
        return intake.merge(cursor, full=full)
