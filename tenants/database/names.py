"""What the database roles of tenants are called."""

import hashlib

LONGEST_NAME = 63
"""Bytes that Postgres keeps of a name."""

PUBLIC = "public"


def role_of(database: str, schema: str) -> str:
    """The role that reads and writes one tenant's rows, such as `attune.northwind`.

    Roles belong to the whole server, so the database is in the name; a schema has no dot in its
    name and no capital letter, so no two databases and no owner meet in one name.
    """
    return _fitting(f"{database}.{schema}")


def owner_of(database: str) -> str:
    """The role that owns the tables of all tenants, and that only migrations act as."""
    return _fitting(f"{database}.OWNER")


def _fitting(name: str) -> str:
    if len(name.encode()) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"attune.{digest}.{name.rpartition('.')[2][:38]}"
