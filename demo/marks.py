"""How far a demo store is: noted on its schema, so that what drops the schema drops the note."""

from django.db import connection
from django_tenants.utils import schema_context

from demo.stores import Store
from tenants.database.roles import as_owner
from tenants.models import Tenant

LOADING = "Attune demo, being loaded"
LOADED = "Attune demo, loaded"


class DemoNotLoaded(Exception):
    """The demo cannot be loaded; the message says why, and what to do about it."""


def is_loaded(store: Store) -> bool:
    """Whether the store is there and whole.

    Raises DemoNotLoaded when the tenant of that schema is not the demo's to touch.
    """
    tenant = Tenant.objects.filter(schema_name=store.schema).first()
    if tenant is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT obj_description(to_regnamespace(%s), 'pg_namespace')", [store.schema]
        )
        (note,) = cursor.fetchone()
    if note not in {LOADING, LOADED}:
        raise DemoNotLoaded(
            f"The tenant {tenant.name!r} has the schema {store.schema!r}, which the demo needs, "
            f"and is none of the demo's. Close it first: manage.py close_tenant {store.schema}"
        )
    return bool(note == LOADED)


def mark(store: Store, note: str) -> None:
    """Note how far the store is: LOADING or LOADED."""
    with schema_context(store.schema), as_owner(), connection.cursor() as cursor:
        # Both come from the demo's own modules; COMMENT takes no parameters.
        cursor.execute(f"COMMENT ON SCHEMA \"{store.schema}\" IS '{note}'")
