"""Migrate every schema, after making sure that the database has its extensions and roles."""

from typing import Any

from django.core.management.base import CommandError
from django_tenants.management.commands.migrate_schemas import MigrateSchemasCommand

from tenants.database.roles import as_owner, give_missing_roles
from tenants.errors import DomainError
from tenants.extensions import ensure_extensions


class Command(MigrateSchemasCommand):  # type: ignore[misc]  # django-tenants is untyped
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            ensure_extensions()
            give_missing_roles()
        except DomainError as error:
            raise CommandError(error.detail) from error
        with as_owner():
            super().handle(*args, **options)
