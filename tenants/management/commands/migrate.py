"""`migrate` is `migrate_schemas`: every schema, public first."""

from tenants.management.commands.migrate_schemas import Command

__all__ = ["Command"]
