"""Closing a tenant: export what it holds, then leave nothing of it behind."""

import logging
import shutil
import zipfile
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django_redis import get_redis_connection
from django_tenants.utils import get_public_schema_name, schema_context

from tenants.audit import About, Verb, record
from tenants.connection import connection
from tenants.database.roles import drop_schema
from tenants.models import Tenant

logger = logging.getLogger(__name__)

# Tables a person may look into later; partitions are part of their parent.
TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    ORDER BY c.relname
"""


def export_tenant(tenant: Tenant, path: Path) -> int:
    """Write every table of the tenant as one CSV file with a header into a ZIP at `path`.

    Streams in one snapshot, so memory stays flat and the tables agree with each other.
    Returns the number of tables. Raises FileExistsError when `path` is there already.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    isolated = connection.in_atomic_block  # then the caller's isolation level holds
    with (
        zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED) as archive,
        schema_context(tenant.schema_name),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        if not isolated:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        record(Verb.EXPORTED, About("tenants.tenant", str(tenant.pk), tenant.name))
        cursor.execute(TABLES, [tenant.schema_name])
        tables = [name for (name,) in cursor.fetchall()]
        for table in tables:
            copy = f'COPY (SELECT * FROM "{tenant.schema_name}"."{table}") TO STDOUT CSV HEADER'  # noqa: S608  # both names come from the catalog
            with (
                archive.open(f"{table}.csv", "w", force_zip64=True) as entry,
                cursor.copy(copy) as rows,
            ):
                for chunk in rows:
                    entry.write(chunk)
    return len(tables)


def close_tenant(tenant: Tenant) -> None:
    """Drop the tenant's schema, role, files, hosts and all that Valkey holds. Cannot be undone:
    export first. Raises RedisError, and changes nothing, while Valkey is out."""
    schema_name = tenant.schema_name
    _empty_valkey(schema_name)
    with schema_context(get_public_schema_name()), transaction.atomic():
        with connection.cursor() as cursor:
            # Postgres drops no table with deferred checks pending in this transaction.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        drop_schema(schema_name)
        tenant.delete()
    # Again, for what requests left there until the host was gone: a tenant that is opened by the
    # same name must not find it.
    _empty_valkey(schema_name)
    for root in (settings.MEDIA_ROOT, settings.SEARCH_INDEX_DIR, settings.PRIVACY_DIR):
        shutil.rmtree(Path(root) / schema_name, ignore_errors=True)
    logger.info("Closed the tenant %s", schema_name)


def _empty_valkey(schema_name: str) -> None:
    """Delete every key of the tenant: cached values of any release, buffers and rate limits."""
    store = get_redis_connection("default")
    for key in store.scan_iter(f"{schema_name}:*", count=1_000):
        store.unlink(key)
