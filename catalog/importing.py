"""From a feed to the catalog: all good rows or, when the file is broken, nothing.

Rows stream through the reader into a temporary table, then one transaction merges them. Memory
is bounded by a batch, whatever the file's size.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, BinaryIO

from django.db import connection, transaction
from django.utils import timezone

from catalog.feeds.options import FeedDefaults
from catalog.feeds.options import FeedFormat as ReaderFormat
from catalog.feeds.read import read_feed
from catalog.feeds.rows import FeedError, FeedItem, FeedUnreadable
from catalog.models import FeedImport, FeedRowError

logger = logging.getLogger(__name__)

BATCH = 1_000
MAX_ERRORS_KEPT = 10_000
"""Of a feed with more bad rows than this, the first are reported and all are counted."""

ITEM_COLUMNS = {
    "external_id": "varchar",
    "kind": "varchar",
    "title": "varchar",
    "description": "text",
    "brand": "varchar",
    "category_path": "varchar[]",
    "attributes": "jsonb",
    "images": "varchar[]",
    "address": "varchar",
    "language": "varchar",
    "group_id": "varchar",
    "available": "boolean",
}
OFFER_COLUMNS = {
    "price": "numeric",
    "sale_price": "numeric",
    "currency": "varchar",
    "cost": "numeric",
    "stock": "integer",
}
COLUMNS = {**ITEM_COLUMNS, **OFFER_COLUMNS}


def run_import(feed_import: FeedImport, stream: BinaryIO) -> None:
    """Import `stream` and keep the outcome in `feed_import`.

    A bad row is kept as FeedRowError and does not hinder the others. A file that cannot be read
    to its end fails the import and changes nothing; the reason is in `feed_import.failure`.
    Running the same feed again changes nothing.
    """
    feed_import.start(timezone.now())
    try:
        with _staging_table():
            _stage(feed_import, stream)
            _merge(feed_import)
    except FeedUnreadable as error:
        feed_import.failure = f"{error.message} ({error.code})"
        feed_import.status = FeedImport.Status.FAILED
    except BaseException:
        feed_import.failure = "The import was interrupted. Nothing was changed; start it again."
        feed_import.status = FeedImport.Status.FAILED
        raise
    else:
        feed_import.status = FeedImport.Status.DONE
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


class _staging_table:  # noqa: N801  # used as `with _staging_table():`
    """A temporary table of this connection, gone at the end even if the merge fails."""

    def __enter__(self) -> None:
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS feed_rows, feed_failed")
            cursor.execute(f"CREATE TEMPORARY TABLE feed_rows ({columns})")
            cursor.execute("CREATE TEMPORARY TABLE feed_failed (external_id varchar)")

    def __exit__(self, error: type[BaseException] | None, *_rest: object) -> None:
        if error is not None and connection.in_atomic_block and connection.needs_rollback:
            return  # the caller's rollback takes the tables with it
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS feed_rows, feed_failed")


def _stage(feed_import: FeedImport, stream: BinaryIO) -> None:
    columns: Mapping[str, str] | None = feed_import.columns or None
    rows = read_feed(
        stream,
        format=ReaderFormat(feed_import.format),
        columns=columns,
        defaults=FeedDefaults(**feed_import.options),
    )
    failed_rows: set[int] = set()
    while batch := list(islice(rows, BATCH)):
        items = [row for row in batch if isinstance(row, FeedItem)]
        errors = [row for row in batch if isinstance(row, FeedError)]
        _copy_items(items)
        _keep_errors(feed_import, errors)
        failed_rows.update(error.row for error in errors)
        feed_import.rows += len(items)
        feed_import.failed = len(failed_rows)
        feed_import.save(update_fields=["rows", "failed"])
    feed_import.rows += feed_import.failed


def _copy_items(items: list[FeedItem]) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY feed_rows ({', '.join(COLUMNS)}) FROM STDIN") as copy,
    ):
        for item in items:
            copy.write_row(tuple(_cells(item)))


def _cells(item: FeedItem) -> Iterator[Any]:
    for name in COLUMNS:
        value = getattr(item, name)
        match name:
            case "attributes":
                yield json.dumps(value)
            case "category_path" | "images":
                yield list(value)
            case "group_id":
                yield value or ""
            case _:
                yield value


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


def _merge(feed_import: FeedImport) -> None:
    items = ", ".join(ITEM_COLUMNS)
    changed = ", ".join(f"{c} = excluded.{c}" for c in ITEM_COLUMNS if c != "external_id")
    stored = ", ".join(f"catalog_item.{c}" for c in ITEM_COLUMNS)
    incoming = ", ".join(f"excluded.{c}" for c in ITEM_COLUMNS)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ANALYZE feed_rows")
        cursor.execute(
            f"""
            WITH merged AS (
                INSERT INTO catalog_item ({items}, created_at, updated_at)
                SELECT {items}, now(), now() FROM feed_rows
                ON CONFLICT (external_id) DO UPDATE
                SET {changed}, archived_at = NULL, updated_at = now()
                WHERE ({stored}) IS DISTINCT FROM ({incoming})
                   OR catalog_item.archived_at IS NOT NULL
                RETURNING (xmax = 0) AS created
            )
            SELECT count(*) FILTER (WHERE created), count(*) FILTER (WHERE NOT created) FROM merged
            """
        )
        feed_import.created, feed_import.updated = cursor.fetchone()
        # Also where nothing changed: the merchant has just said that this offer still holds.
        cursor.execute(
            """
            INSERT INTO catalog_offer
                (item_id, price, sale_price, currency, cost, stock, refreshed_at)
            SELECT i.id, f.price, f.sale_price, f.currency, f.cost, f.stock, now()
            FROM feed_rows f JOIN catalog_item i USING (external_id) WHERE f.price IS NOT NULL
            ON CONFLICT (item_id) DO UPDATE
            SET price = excluded.price, sale_price = excluded.sale_price,
                currency = excluded.currency, cost = excluded.cost, stock = excluded.stock,
                refreshed_at = excluded.refreshed_at
            """
        )
        if feed_import.full:
            # An item whose row was bad is in the feed all the same, and a feed without a single
            # good row says nothing about the catalog.
            cursor.execute(
                """
                UPDATE catalog_item i SET archived_at = now(), updated_at = now()
                WHERE archived_at IS NULL
                  AND EXISTS (SELECT 1 FROM feed_rows)
                  AND NOT EXISTS (SELECT 1 FROM feed_rows f WHERE f.external_id = i.external_id)
                  AND NOT EXISTS (SELECT 1 FROM feed_failed f WHERE f.external_id = i.external_id)
                """
            )
            feed_import.archived = cursor.rowcount
    feed_import.unchanged = (
        feed_import.rows - feed_import.failed - feed_import.created - feed_import.updated
    )
