"""Two tenants for every run, and an API client for each."""

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django_tenants.utils import schema_context

from tenants.keys import mint_key
from tenants.models import Tenant
from tenants.opening import open_tenant

REAL_CONNECT = socket.socket.connect
LOOPBACK = ("127.", "::1", "localhost")


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """Nothing but loopback: a test that needs the world is not a test."""

    def connect(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not str(address[0]).startswith(LOOPBACK):
            raise RuntimeError(f"A test tried to reach {address}; only loopback is allowed.")
        REAL_CONNECT(self, address)

    socket.socket.connect = connect  # type: ignore[method-assign]
    yield
    socket.socket.connect = REAL_CONNECT  # type: ignore[method-assign]


@dataclass(frozen=True)
class ApiClient:
    """Speaks to one tenant's API as a storefront's server does, over Django's test client."""

    tenant: Tenant
    key: str
    host: str
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    def request(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, **extra: Any
    ) -> HttpResponse:
        headers = {"Authorization": f"Bearer {self.key if key is None else key}"}
        data = body if isinstance(body, (str, bytes)) else json.dumps(body)
        # A request ends in the public schema; the test goes on where it was.
        with schema_context(connection.schema_name):
            response: HttpResponse = self.client.generic(
                method,
                path,
                "" if body is None else data,
                content_type="application/json",
                headers={**headers, "Host": self.host, **extra.pop("headers", {})},
                **extra,
            )
        return response

    def get(self, path: str, **query: Any) -> HttpResponse:
        return self.request("GET", path, QUERY_STRING=_encoded(query))

    def post(self, path: str, body: Any) -> HttpResponse:
        return self.request("POST", path, body)

    def put(self, path: str, body: Any) -> HttpResponse:
        return self.request("PUT", path, body)


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
    cache.clear()
    with schema_context(tenants.ours.schema_name):
        yield tenants.ours
    cache.clear()


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
