"""Bringing the index up to date with the tables: what changed since, and nothing else."""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import orjson
from django_tenants.utils import get_public_schema_name, schema_context
from tantivy import FieldType, Query, Searcher

from catalog.search.conditions import FROM_ITEMS, IS_IN_STOCK, PRICE
from catalog.search.schema import FORMAT, Row, document
from catalog.search.storage import State, Writing, writing
from tenants.connection import connection
from tenants.models import Tenant
from tenants.tasks import current_schema

logger = logging.getLogger(__name__)

BATCH: Final = 2_000
COMMIT_EVERY: Final = 50_000

NOTE_EVERY: Final = timedelta(minutes=5)
"""How often a shop in which nothing changes notes that; the next update looks back this far."""

CLOCKS: Final = timedelta(seconds=5)
"""How far the clocks of web machines and of the database may be apart."""

# The oldest transaction that may still commit rows with an older time stamp than ours.
OLDEST_WRITER: Final = """
    SELECT LEAST(now(), min(xact_start)) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()
"""

CHANGED: Final = """
    SELECT id FROM catalog_item WHERE updated_at >= %s
    UNION SELECT item_id FROM catalog_offer WHERE refreshed_at >= %s
"""

SIGNATURES: Final = f"""
    SELECT i.id, i.updated_at, {IS_IN_STOCK}, {PRICE}
    FROM {FROM_ITEMS} WHERE i.archived_at IS NULL AND i.id = ANY(%s)
"""

ROWS: Final = f"""
    SELECT i.id, i.external_id, i.kind, i.title, i.description, i.brand, i.category_path,
           i.attributes::text, i.language, i.created_at, i.updated_at, {IS_IN_STOCK}, {PRICE},
           i.group_id
    FROM {FROM_ITEMS} WHERE i.archived_at IS NULL AND i.id = ANY(%s) ORDER BY i.id
"""


# Ids of a bigint end here; the last range of a reconciliation reaches up to it.
LAST_ID: Final = 2**63 - 1

IdRange = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update did."""

    written: int
    removed: int
    anew: bool


@dataclass(frozen=True, slots=True)
class _Batch:
    """Ids to look at; `whole` if they are all that the tables have from the first to the last."""

    ids: list[int]
    whole: IdRange | None = None


def update_index(*, anew: bool = False, reconcile: bool = False) -> Updated:
    """Write into the current tenant's index what changed since the last update.

    Without an index, with a broken one, or `anew`, all of it is written, into a new one that
    serves once it is complete. `reconcile` looks at every item instead of the changed ones, and so
    finds what no time stamp tells, such as rows that were deleted. Safe to be interrupted anywhere.
    Raises IndexBusy.
    """
    schema_name = current_schema()
    with schema_context(get_public_schema_name()):
        tenant = Tenant.objects.get(schema_name=schema_name)
    with writing(tenant.pk, anew=anew) as target:
        built = target.fresh
        state = State(FORMAT, tenant.pk, _complete_until())
        searcher = None if built else target.index.searcher()
        written = removed = 0
        since = None if target.state is None or reconcile else target.state.until
        for batch in _everything() if since is None else _changed(since):
            added, deleted = _write(target, searcher, batch, tenant.language)
            written += added
            removed += deleted
            if target.state is not None and (written + removed) % COMMIT_EVERY < added + deleted:
                target.commit(target.state)
        if built or written or removed:
            target.commit(state)
        elif since is None or state.until - since > NOTE_EVERY:
            target.note(state)
    if written or removed:
        logger.info("Search index: %d items written, %d removed", written, removed)
    return Updated(written, removed, built)


def _complete_until() -> datetime:
    """All that was changed before this moment can be read by now."""
    with connection.cursor() as cursor:
        cursor.execute(OLDEST_WRITER)
        [(moment,)] = cursor.fetchall()
    complete: datetime = moment - CLOCKS
    return complete


def _changed(since: datetime) -> Iterator[_Batch]:
    with connection.cursor() as cursor:
        cursor.execute(CHANGED, [since, since])
        ids = sorted(pk for (pk,) in cursor.fetchall())
    for start in range(0, len(ids), BATCH):
        yield _Batch(ids[start : start + BATCH])


def _everything() -> Iterator[_Batch]:
    last = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM catalog_item WHERE id > %s ORDER BY id LIMIT %s", [last, BATCH]
            )
            ids = [pk for (pk,) in cursor.fetchall()]
        if not ids:
            yield _Batch([], (last + 1, LAST_ID))
            return
        yield _Batch(ids, (last + 1, ids[-1]))
        last = ids[-1]


def _write(
    target: Writing, searcher: Searcher | None, batch: _Batch, language: str
) -> tuple[int, int]:
    """How many items were written, and how many removed."""
    known = {} if searcher is None else _known(target, searcher, batch)
    with connection.cursor() as cursor:
        cursor.execute(SIGNATURES, [batch.ids])
        listed = {pk: _signature(*rest) for pk, *rest in cursor.fetchall()}
        changed = [pk for pk, signature in listed.items() if known.get(pk) != signature]
        gone = known.keys() - listed.keys()
        outdated = [*gone, *(known.keys() & changed)]
        if outdated:
            # By query: deleting by a term of an unsigned field quietly deletes nothing (0.27).
            old = Query.term_set_query(target.index.schema, "item", outdated)
            target.writer.delete_documents_by_query(old)
        cursor.execute(ROWS, [changed])
        rows = [_row(cells) for cells in cursor.fetchall()]
    for row in rows:
        target.writer.add_document(document(row, language))
    return len(rows), len(gone)


def _known(target: Writing, searcher: Searcher, batch: _Batch) -> dict[int, int]:
    """The signatures of these items, as they are in the index."""
    schema = target.index.schema
    if batch.whole is None:
        query = Query.term_set_query(schema, "item", batch.ids)
    else:
        query = Query.range_query(schema, "item", FieldType.Unsigned, *batch.whole)
    found = searcher.search(query, limit=max(1, searcher.num_docs), count=False).hits
    addresses = [address for _, address in found]
    items = searcher.fast_field_values("item", addresses)
    signatures = searcher.fast_field_values("signature", addresses)
    return {int(pk or 0): int(mark or 0) for pk, mark in zip(items, signatures, strict=True)}


def _signature(updated_at: datetime, in_stock: bool, price: Decimal | None) -> int:  # noqa: FBT001  # a row's cell
    """Changes whenever the item would be written differently."""
    text = f"{updated_at.isoformat()} {in_stock} {price}"
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _row(cells: tuple[Any, ...]) -> Row:
    said = cells[:7]
    attributes, language, created_at, updated_at, in_stock, price, group_id = cells[7:]
    item_id, external_id, kind, title, description, brand, category_path = said
    return Row(
        item_id=item_id,
        external_id=external_id,
        kind=kind,
        title=title,
        description=description,
        brand=brand,
        category_path=category_path,
        attributes=orjson.loads(attributes),
        language=language,
        created_at=created_at,
        in_stock=in_stock,
        price=price,
        signature=_signature(updated_at, in_stock, price),
        group_id=group_id,
    )
