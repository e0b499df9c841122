"""Opening a tenant: its row, its host and its schema, in well under a second.

Django spends 2-3 s a tenant on rendering migration states. The SQL that comes out is the same for
every tenant, so it is collected once, cached by the set of migrations, and replayed.
"""

import hashlib
import inspect
import logging
import sys
from datetime import timedelta

from django.core.cache import cache
from django.core.management import call_command
from django.core.management.sql import emit_post_migrate_signal
from django.db import transaction
from django.db.migrations import Migration, RunPython
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django_tenants.utils import get_public_schema_name, schema_context, schema_exists

from tenants.connection import connection
from tenants.database.roles import as_owner, drop_schema, make_schema
from tenants.errors import DomainError, ErrorKind
from tenants.hosts import add_host
from tenants.models import Domain, Tenant

logger = logging.getLogger(__name__)

SCRIPT_KEPT = timedelta(days=30)

# Their RunPython steps change rows of an older installation; a new schema has none.
FOREIGN_APPS = frozenset({"admin", "auth", "contenttypes", "sessions", "messages", "axes"})

MigrationKey = tuple[str, str]


def open_tenant(
    *,
    schema_name: str,
    name: str,
    host: str,
    currency: str = "EUR",
    language: str = "en",
    time_zone: str = "UTC",
    replay: bool = True,
) -> Tenant:
    """A new tenant with its own schema, reachable at `host`. All of it or nothing.

    `replay=False` takes the ordinary path through Django's migrations. Raises DomainError
    `schema_taken`, `host_taken`, ValidationError for a bad schema name or time zone, or
    DomainError `roles_refused` where the database lets no role be made.
    """
    with schema_context(get_public_schema_name()):
        tenant = Tenant(
            schema_name=schema_name,
            name=name,
            currency=currency,
            language=language,
            time_zone=time_zone,
        )
        tenant.clean_fields()
        if schema_exists(schema_name) or Tenant.objects.filter(schema_name=schema_name).exists():
            raise DomainError(
                "schema_taken", f"The schema {schema_name!r} exists.", kind=ErrorKind.CONFLICT
            )
        if Domain.objects.filter(domain=host).exists():
            raise DomainError(
                "host_taken", f"The host {host!r} leads elsewhere.", kind=ErrorKind.CONFLICT
            )
        with transaction.atomic():
            tenant.save()
            add_host(tenant, host, primary=True)
            make_schema(schema_name)
            statements = collected_statements(schema_name) if replay else None
            if statements is not None:
                _replay(schema_name, statements)
        if statements is None:
            try:
                call_command(
                    "migrate_schemas", schema_name=schema_name, interactive=False, verbosity=0
                )
            except BaseException:
                drop_schema(schema_name)
                tenant.delete()
                raise
    return tenant


def _tenant_migrations(schema_name: str) -> list[MigrationKey]:
    """Every migration, in the order in which an empty schema gets them."""
    with schema_context(schema_name):
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes(), clean_start=True)
    return [(migration.app_label, migration.name) for migration, _ in plan]


def collected_statements(schema_name: str) -> str | None:
    """The SQL of all tenant migrations as one script; None when replaying it would miss something.

    Collecting takes seconds, so the script is cached under a digest of the migrations' sources.
    """
    loader = MigrationLoader(None)
    migrations = [loader.graph.nodes[key] for key in _tenant_migrations(schema_name)]
    for migration in migrations:
        if migration.app_label not in FOREIGN_APPS and any(
            isinstance(operation, RunPython) for operation in migration.operations
        ):
            logger.warning("%s runs Python: the schema is migrated the ordinary way", migration)
            return None
    digest = hashlib.sha256(
        "".join(inspect.getsource(sys.modules[type(m).__module__]) for m in migrations).encode()
    ).hexdigest()
    with schema_context(get_public_schema_name()):
        script: str | None = cache.get(f"tenant-sql:{digest}")
    if script is None:
        with schema_context(schema_name), as_owner():
            script = "\n".join(_sql_of(migrations))
        with schema_context(get_public_schema_name()):
            cache.set(f"tenant-sql:{digest}", script, SCRIPT_KEPT.total_seconds())
    return script


def _sql_of(migrations: list[Migration]) -> list[str]:
    """What Django would run for `migrations` in the current, empty schema."""
    loader = MigrationLoader(connection, replace_migrations=False)
    loader.applied_migrations = {}
    loader.build_graph()
    plan = [(migration, False) for migration in migrations]
    statements: list[str] = loader.collect_sql(plan)  # type: ignore[attr-defined]  # not in the stubs
    return statements


def _replay(schema_name: str, script: str) -> None:
    keys = _tenant_migrations(schema_name)
    with schema_context(schema_name), as_owner():
        recorder = MigrationRecorder(connection)
        with connection.cursor() as cursor:
            # The recorder looks for its table along the search path and would find public's.
            connection.set_schema(schema_name, include_public=False)
            recorder.ensure_schema()
            connection.set_schema(schema_name)
            cursor.execute("SELECT 1")
        with connection.cursor() as cursor:
            cursor.execute(script)
        recorder.Migration.objects.using(connection.alias).bulk_create(
            [recorder.Migration(app=app, name=name) for app, name in keys]
        )
        emit_post_migrate_signal(verbosity=0, interactive=False, db=connection.alias)
