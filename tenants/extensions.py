"""Whether the database has the extensions that Attune needs, and what to run when it has not."""

from collections.abc import Sequence

from django.db import DatabaseError, connection, transaction

from tenants.errors import DomainError

NEEDED = ("vector", "pg_trgm", "unaccent", "btree_gin")


def ensure_extensions(needed: Sequence[str] = NEEDED) -> None:
    """Create what is missing of `needed`, in schema `public`.

    pgvector is not a trusted extension: creating it takes a superuser. Raises DomainError
    `extension_missing` with the statement a superuser has to run.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT extname FROM pg_extension")
        present = {name for (name,) in cursor.fetchall()}
        for name in needed:
            if name in present:
                continue
            statement = f'CREATE EXTENSION IF NOT EXISTS "{name}" WITH SCHEMA public'
            try:
                with transaction.atomic():
                    cursor.execute(statement)
            except DatabaseError as error:
                database = connection.settings_dict["NAME"]
                raise DomainError(
                    "extension_missing",
                    f"The database {database!r} lacks the extension {name!r} and this role may not"
                    f" create it ({str(error).splitlines()[0]}). As a superuser run:\n"
                    f"    psql -d {database} -c '{statement};'\n"
                    "On Debian the server package of pgvector is postgresql-NN-pgvector.",
                ) from error
