"""Opening and closing a tenant."""

import re
import zipfile
from pathlib import Path

import pytest
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection
from django_tenants.utils import schema_context, schema_exists

from tenants.closing import close_tenant, export_tenant
from tenants.errors import DomainError
from tenants.hosts import find_tenant
from tenants.models import ApiKey, Tenant
from tenants.opening import open_tenant
from tests.conftest import TenantPair

DESCRIPTION = """
    SELECT 'column', c.relname, a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
           || ' ' || a.attnotnull || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = %(schema)s::regnamespace AND a.attnum > 0 AND c.relkind IN ('r', 'p')
    UNION ALL
    SELECT 'index', c.relname, pg_get_indexdef(c.oid) FROM pg_class c
    WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind IN ('i', 'I')
    UNION ALL
    SELECT 'constraint', conname, conrelid::regclass || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = %(schema)s::regnamespace
    UNION ALL
    SELECT 'function', proname, pg_get_functiondef(oid) FROM pg_proc
    WHERE pronamespace = %(schema)s::regnamespace
    UNION ALL
    SELECT 'trigger', tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t
    JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = %(schema)s::regnamespace AND NOT tgisinternal
    UNION ALL
    SELECT 'rights', c.relname, pg_get_userbyid(c.relowner) || coalesce(c.relacl::text, '')
    FROM pg_class c WHERE c.relnamespace = %(schema)s::regnamespace
"""


def described(schema: str) -> list[tuple[str, ...]]:
    """Every column, default, index, constraint, function, trigger and right of a schema, without
    the schema's name."""
    with schema_context(schema), connection.cursor() as cursor:
        cursor.execute(DESCRIPTION, {"schema": schema})
        rows = [
            tuple(re.sub(rf"\b{schema}\.|\.{schema}\b", "", text) for text in row) for row in cursor
        ]
    return sorted(rows)


def rows_of(schema: str, table: str, columns: str) -> list[tuple[object, ...]]:
    with schema_context(schema), connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2")
        return list(cursor.fetchall())


@pytest.mark.django_db
def test_replayed_and_migrated_schemas_are_the_same() -> None:
    open_tenant(schema_name="replayed", name="Replayed", host="replayed.localhost")
    open_tenant(schema_name="migrated", name="Migrated", host="migrated.localhost", replay=False)

    replayed, migrated = described("replayed"), described("migrated")
    assert len(replayed) > 300
    assert replayed == migrated
    assert {"tenants_audit_chain", "tenants_audit_refuse"} <= {row[1] for row in replayed}
    for table, columns in (
        ("django_migrations", "app, name"),
        ("django_content_type", "app_label, model"),
        ("auth_permission", "codename, name"),
        ("tenants_audithead", "number, hash"),
    ):
        assert rows_of("replayed", table, columns) == rows_of("migrated", table, columns)


@pytest.mark.django_db
def test_no_tenant_table_exists_in_public_and_no_public_table_in_a_tenant(
    tenants: TenantPair,
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        public = {name for (name,) in cursor}
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'ours'")
        ours = {name for (name,) in cursor}
    assert public == {"tenants_tenant", "tenants_domain", "tenants_auditseal", "django_migrations"}
    assert public & ours == {"django_migrations"}


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["public", "pg_shop", "Shop", "shop;drop", "9shop", "", "a" * 60])
def test_a_bad_schema_name_is_refused_and_leaves_nothing(name: str) -> None:
    with pytest.raises(ValidationError):
        open_tenant(schema_name=name, name="Bad", host="bad.localhost")
    assert find_tenant("bad.localhost") is None


@pytest.mark.django_db
def test_a_taken_schema_or_host_is_refused_and_leaves_nothing(tenants: TenantPair) -> None:
    with pytest.raises(DomainError, match="exists") as taken:
        open_tenant(schema_name="ours", name="Again", host="again.localhost")
    assert taken.value.code == "schema_taken"
    with pytest.raises(DomainError, match="leads elsewhere") as host_taken:
        open_tenant(schema_name="again", name="Again", host="ours.localhost")
    assert host_taken.value.code == "host_taken"
    assert not schema_exists("again")
    assert not Tenant.objects.filter(name="Again").exists()


@pytest.mark.django_db
def test_a_closed_tenant_is_exported_and_then_gone(tmp_path: Path) -> None:
    tenant = open_tenant(schema_name="leaving", name="Leaving", host="leaving.localhost")
    with schema_context("leaving"):
        ApiKey.objects.create(name="storefront", prefix="x", digest="d" * 64)
    assert find_tenant("leaving.localhost") is not None

    archive = tmp_path / "leaving.zip"
    call_command("close_tenant", "leaving", "--confirm", "Leaving", "--export", str(archive))

    with zipfile.ZipFile(archive) as exported:
        keys = exported.read("tenants_apikey.csv").decode().splitlines()
    assert len(keys) == 2
    assert "storefront" in keys[1]
    assert not schema_exists("leaving")
    assert find_tenant("leaving.localhost") is None
    with pytest.raises(FileExistsError):
        export_tenant(tenant, archive)


@pytest.mark.django_db
def test_closing_one_tenant_leaves_the_cache_of_the_other(tenants: TenantPair) -> None:
    leaving = open_tenant(schema_name="ourstoo", name="Alike", host="alike.localhost")
    for schema in ("ours", "ourstoo"):
        with schema_context(schema):
            cache.set("kept", schema)

    close_tenant(leaving)

    with schema_context("ours"):
        assert cache.get("kept") == "ours"
    with schema_context("ourstoo"):
        assert cache.get("kept") is None
