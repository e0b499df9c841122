"""Django's connection, typed as what django-tenants and tenants.database make of it."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, cast

from django.db import connection as django_connection

if TYPE_CHECKING:
    from django.db.backends.postgresql.base import DatabaseWrapper

    from tenants.models import Tenant

    class TenantConnection(DatabaseWrapper):
        """A database connection that is in one schema at a time."""

        schema_name: str
        tenant: Tenant
        database_name: str

        def set_schema(self, schema_name: str, include_public: bool = True) -> None: ...  # noqa: FBT001, FBT002
        def set_tenant(self, tenant: Tenant, include_public: bool = True) -> None: ...  # noqa: FBT001, FBT002
        def set_schema_to_public(self) -> None: ...
        def as_owner(self) -> AbstractContextManager[None]: ...


connection = cast("TenantConnection", django_connection)


def tenant_id() -> int | None:
    """The id of the tenant that a request set; None where only a schema was entered.

    A name may be used again after a tenant was closed; an id never is.
    """
    return getattr(connection.tenant, "pk", None)


def array_of(numbers: Iterable[int]) -> str:
    """Whole numbers as Postgres writes an array; psycopg would adapt one after the other."""
    return "{" + ",".join(map(str, numbers)) + "}"
