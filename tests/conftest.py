"""Two tenants for every run, and an API client for each."""

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from django.core.cache import cache
from django.http import StreamingHttpResponse
from django.test import Client
from django.test.utils import setup_databases, teardown_databases
from django_tenants.utils import schema_context

from catalog.search.storage import folder, forget
from recommendations import outbox
from recommendations.pipeline import last_resort
from tenants.closing import close_tenant
from tenants.connection import connection
from tenants.database.roles import as_owner
from tenants.keys import mint_key
from tenants.models import Tenant
from tenants.opening import open_tenant

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse

    # What Django's test client answers: a response with `json()`.
    Response: TypeAlias = _MonkeyPatchedWSGIResponse

REAL_CONNECT = socket.socket.connect
LOOPBACK = ("127.", "::1", "localhost")


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """Nothing but loopback: a test that needs the world is not a test."""

    def connect(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not str(address[0]).startswith(LOOPBACK):
            raise RuntimeError(f"A test tried to reach {address}; only loopback is allowed.")
        REAL_CONNECT(self, address)

    socket.socket.connect = connect  # type: ignore[method-assign,assignment]
    yield
    socket.socket.connect = REAL_CONNECT  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def _decisions_are_sent_at_once() -> Iterator[None]:
    """A test's transaction must not be over when its decisions are noted; what happens with a
    thread that sends them is tested with processes."""
    with pytest.MonkeyPatch.context() as patch:  # the fixture's own: tests undo theirs
        patch.setattr(outbox, "SENT_EVERY", timedelta(0))
        yield


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest,
    django_test_environment: None,
    django_db_modify_db_settings: None,
    django_db_blocker: Any,
) -> Iterator[None]:
    """Makes the test database also for runs whose tests all commit: pytest-django looks for its
    own markers only, and would leave such a run on the database of the settings."""
    with django_db_blocker.unblock():
        made = setup_databases(
            verbosity=request.config.option.verbose, interactive=False, aliases={"default": None}
        )
    yield
    with django_db_blocker.unblock():
        connection.close()
        teardown_databases(made, verbosity=request.config.option.verbose)


@dataclass(frozen=True)
class ApiClient:
    """Speaks to one tenant's API as a storefront's server does, over Django's test client."""

    tenant: Tenant
    key: str
    host: str
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    def request(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, **extra: Any
    ) -> "Response":
        headers = {"Authorization": f"Bearer {self.key if key is None else key}"}
        data = body if isinstance(body, (str, bytes)) else json.dumps(body)
        # A request ends in the public schema; the test goes on where it was.
        with schema_context(connection.schema_name):
            response: Response = self.client.generic(
                method,
                path,
                "" if body is None else data,
                content_type="application/json",
                headers={**headers, "Host": self.host, **extra.pop("headers", {})},
                **extra,
            )
            if isinstance(response, StreamingHttpResponse):
                # Servers read a stream when the request has left the tenant's schema already.
                response.streaming_content = [b"".join(response.streaming_content)]
        return response

    def get(self, path: str, **query: Any) -> "Response":
        return self.request("GET", path, QUERY_STRING=_encoded(query))

    def post(self, path: str, body: Any) -> "Response":
        return self.request("POST", path, body)

    def put(self, path: str, body: Any) -> "Response":
        return self.request("PUT", path, body)

    def patch(self, path: str, body: Any) -> "Response":
        return self.request("PATCH", path, body)


def _encoded(query: dict[str, Any]) -> str:
    from urllib.parse import urlencode  # noqa: PLC0415  # used here only

    return urlencode(
        {name: value for name, value in query.items() if value is not None}, doseq=True
    )


@dataclass(frozen=True)
class TenantPair:
    """The tenant under test and a neighbor that must never notice."""

    ours: Tenant
    theirs: Tenant


@pytest.fixture(scope="session")
def tenants(django_db_setup: None, django_db_blocker: Any) -> TenantPair:
    """Opened once a session, outside of any test's transaction."""
    with django_db_blocker.unblock():
        pair = TenantPair(
            ours=open_tenant(schema_name="ours", name="Ours", host="ours.localhost"),
            theirs=open_tenant(schema_name="theirs", name="Theirs", host="theirs.localhost"),
        )
        connection.set_schema_to_public()
    return pair


@pytest.fixture
def tenant(tenants: TenantPair, db: None) -> Iterator[Tenant]:
    """The test runs inside our tenant's schema, with an empty cache."""
    _forget()
    with schema_context(tenants.ours.schema_name):
        yield tenants.ours
    _forget()


@pytest.fixture(scope="session")
def committed_tenants(django_db_setup: None, django_db_blocker: Any) -> Iterator[TenantPair]:
    """Two more, for threads and processes: they see no rows of a transaction that is open."""
    with django_db_blocker.unblock():
        pair = TenantPair(
            ours=open_tenant(schema_name="here", name="Here", host="here.localhost"),
            theirs=open_tenant(schema_name="there", name="There", host="there.localhost"),
        )
        yield pair
        for tenant in (pair.ours, pair.theirs):
            close_tenant(tenant)


@pytest.fixture
def committed(committed_tenants: TenantPair, django_db_blocker: Any) -> Iterator[TenantPair]:
    """Outside of any transaction, in our tenant's schema; every row is deleted afterwards."""
    with django_db_blocker.unblock():
        _forget()
        with schema_context(committed_tenants.ours.schema_name):
            yield committed_tenants
        for tenant in (committed_tenants.ours, committed_tenants.theirs):
            _empty(tenant.schema_name)
        _forget()
        connection.close()


def _forget() -> None:
    """What tests before were served, wherever it is kept."""
    cache.clear()
    last_resort._remembered.clear()
    for schema in ("ours", "theirs", "here", "there"):
        shutil.rmtree(folder(schema), ignore_errors=True)
        forget(schema)


AUDIT_TRAIL = ("tenants_auditentry", "tenants_audithead")
"""Tables that refuse to be emptied."""


def _empty(schema: str) -> None:
    with schema_context(schema), as_owner(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> ALL(%s)",
            [schema, ["django_migrations", "django_content_type", "auth_permission", *AUDIT_TRAIL]],
        )
        tables = ", ".join(f'"{schema}"."{name}"' for (name,) in cursor.fetchall())
        cursor.execute(f"TRUNCATE {tables}")


@pytest.fixture
def client_of(tenants: TenantPair, db: None) -> Callable[[Tenant], ApiClient]:
    """Makes an API client of a tenant, with a key of every scope."""

    def make(of: Tenant) -> ApiClient:
        with schema_context(of.schema_name):
            _, key = mint_key("tests")
        return ApiClient(tenant=of, key=key, host=f"{of.schema_name}.localhost")

    return make


@pytest.fixture
def api(tenant: Tenant, client_of: Callable[[Tenant], ApiClient]) -> ApiClient:
    return client_of(tenant)
