"""A database role for each tenant, which reaches that tenant's schema and nothing else.

Three kinds of role meet in one database (docs/decisions/0018-a-database-role-per-tenant.md):

- who logs in: owns `public`, and reaches no tenant's table;
- a role per tenant: reads and writes the rows of its schema, and changes no table;
- the owner of all tenants' tables: what migrations act as.

Nobody but the first can log in. `tenants.database` enters the right one with the search path.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, transaction
from django_tenants.utils import get_public_schema_name, schema_context
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from tenants.connection import connection
from tenants.database.names import owner_of, role_of
from tenants.errors import DomainError

logger = logging.getLogger(__name__)

ROWS = sql.SQL("SELECT, INSERT, UPDATE, DELETE, MAINTAIN")
"""What a tenant's role may do with a table. Not TRUNCATE, which fires no trigger of a row."""

SEQUENCES = sql.SQL("USAGE, SELECT")

FOREIGN = """
    SELECT 'TABLE', c.relname FROM pg_class c
    WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND c.relowner <> %(owner)s::regrole
    UNION ALL
    SELECT 'SEQUENCE', c.relname FROM pg_class c
    WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind = 'S'
      AND c.relowner <> %(owner)s::regrole AND NOT EXISTS (
          SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass
          AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))
    UNION ALL
    SELECT 'ROUTINE', p.oid::regprocedure::text FROM pg_proc p
    WHERE p.pronamespace = %(schema)s::regnamespace AND p.proowner <> %(owner)s::regrole
"""
"""What stands in a schema and is not its owner's; a column's sequence follows its table."""

SCHEMAS = """
    SELECT n.nspname, pg_get_userbyid(n.nspowner),
           EXISTS (SELECT FROM pg_class c
                   WHERE c.relnamespace = n.oid AND c.relowner <> n.nspowner)
    FROM pg_namespace n JOIN public.tenants_tenant t ON t.schema_name = n.nspname
    ORDER BY n.nspname
"""
"""Each tenant's schema, its owner, and whether something in it is another's."""


@contextmanager
def as_owner() -> Iterator[None]:
    """Within it, tables of the current tenant can be made, changed and dropped."""
    with connection.as_owner():
        yield


def make_schema(schema: str) -> None:
    """An empty schema with its role. Raises DomainError `roles_refused`."""
    with schema_context(get_public_schema_name()), transaction.atomic():
        _make_role(_owner())
        _run("CREATE SCHEMA {} AUTHORIZATION {}", schema, _owner())
        give_role(schema)


def drop_schema(schema: str) -> None:
    """Drop a schema, if it exists, with all that is in it and its role."""
    with schema_context(get_public_schema_name()), transaction.atomic():
        if _owns(schema):
            with schema_context(schema), as_owner():
                _run("DROP SCHEMA {} CASCADE", schema)
        else:
            _run("DROP SCHEMA IF EXISTS {} CASCADE", schema)
        _run("DROP ROLE IF EXISTS {}", _role(schema))


def give_role(schema: str) -> None:
    """Let a schema that exists have its role, and its tables their owner. Safe to repeat.

    Raises DomainError `roles_refused` with the statement a superuser has to run.
    """
    with schema_context(get_public_schema_name()), transaction.atomic():
        owner, role = _owner(), _role(schema)
        _make_role(owner)
        _make_role(role)
        if not _owns(schema):
            _run("ALTER SCHEMA {} OWNER TO {}", schema, owner)
        _hand_over(schema, owner)
        with schema_context(schema), as_owner():
            _run("GRANT USAGE ON SCHEMA {} TO {}", schema, role)
            for kind, rights in (("TABLES", ROWS), ("SEQUENCES", SEQUENCES)):
                what = {"kind": sql.SQL(kind), "rights": rights}
                _run("GRANT {rights} ON ALL {kind} IN SCHEMA {} TO {}", schema, role, **what)
                _run(
                    "ALTER DEFAULT PRIVILEGES IN SCHEMA {} GRANT {rights} ON {kind} TO {}",
                    schema, role, **what,
                )  # fmt: skip


def give_missing_roles() -> None:
    """Let every tenant's schema have its role: of tenants from before there were roles, and of a
    database that was restored under another name or on another server.

    Raises DomainError `roles_refused`.
    """
    with schema_context(get_public_schema_name()), transaction.atomic():
        _make_role(_owner())
        # So that the owner can read all there is, for a dump (`pg_dump --role`).
        for kind in ("TABLES", "SEQUENCES"):
            what = {"kind": sql.SQL(kind)}
            _run("GRANT SELECT ON ALL {kind} IN SCHEMA public TO {}", _owner(), **what)
            _run(
                "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON {kind} TO {}",
                _owner(), **what,
            )  # fmt: skip
        for schema in _schemas_without():
            give_role(schema)
            logger.info("Gave the schema %s its role", schema)


def _schemas_without() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('public.tenants_tenant') IS NULL")
        if cursor.fetchone() == (True,):
            return []  # a new database
        cursor.execute("SELECT rolname FROM pg_roles WHERE pg_has_role(oid, 'SET')")
        roles = {name for (name,) in cursor.fetchall()}
        cursor.execute(SCHEMAS)
        return [
            schema
            for schema, owner, mixed in cursor.fetchall()
            if mixed or owner != _owner() or _role(schema) not in roles
        ]


def _hand_over(schema: str, owner: str) -> None:
    """What was made before there was an owner, or restored without it, becomes the owner's."""
    with connection.cursor() as cursor:
        cursor.execute(FOREIGN, {"schema": _quoted(schema), "owner": _quoted(owner)})
        found = cursor.fetchall()
    if not found:
        return
    with schema_context(schema), as_owner():
        _run("GRANT USAGE ON SCHEMA {} TO SESSION_USER", schema)
    for kind, name in found:
        if kind == "ROUTINE":  # its name comes with its schema and its arguments
            _run("ALTER ROUTINE {name} OWNER TO {}", owner, name=sql.SQL(name))
        else:
            _run("ALTER {kind} {}.{} OWNER TO {}", schema, name, owner, kind=sql.SQL(kind))
    with schema_context(schema), as_owner():
        _run("REVOKE USAGE ON SCHEMA {} FROM SESSION_USER", schema)


def _make_role(name: str) -> None:
    """A role that nobody logs in as, and that who logged in may act as, but does not inherit."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_has_role(oid, 'SET') FROM pg_roles WHERE rolname = %s", [name])
        found = cursor.fetchone()
    if found == (True,):
        return
    try:
        with transaction.atomic():
            if found is None:
                _run("CREATE ROLE {} NOLOGIN NOINHERIT", name)
            _run("GRANT {} TO CURRENT_USER WITH SET TRUE, INHERIT FALSE", name)
    except DatabaseError as error:
        if not isinstance(error.__cause__, InsufficientPrivilege):
            raise
        raise DomainError("roles_refused", _advice(name, error)) from error


def _advice(name: str, error: DatabaseError) -> str:
    user = connection.settings_dict["USER"]
    return (
        f"Each tenant has a database role of its own, and {user!r} may not make or take the role"
        f" {name!r} ({str(error).splitlines()[0]}). As a superuser run:\n"
        f"    psql -c 'ALTER ROLE \"{user}\" CREATEROLE;'\n"
        "and, where the role exists already, as after restoring a backup:\n"
        f'    psql -c \'GRANT "{name}" TO "{user}" WITH ADMIN TRUE, SET TRUE, INHERIT FALSE;\''
    )


def _owns(schema: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner"
            " WHERE n.nspname = %s AND r.rolname = %s)",
            [schema, _owner()],
        )
        return bool(cursor.fetchone() == (True,))


def _owner() -> str:
    return owner_of(connection.database_name)


def _role(schema: str) -> str:
    return role_of(connection.database_name, schema)


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string(None)


def _run(statement: str, *names: str, **parts: Any) -> None:
    with connection.cursor() as cursor:
        composed = sql.SQL(statement).format(*map(sql.Identifier, names), **parts)
        cursor.execute(composed.as_string(None))
