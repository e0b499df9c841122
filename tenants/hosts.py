"""Which tenant a host belongs to: settled until a tenant or domain changes."""

from django_tenants.utils import get_public_schema_name, schema_context

from tenants.errors import DomainError, ErrorKind
from tenants.models import Domain, Tenant
from tenants.settled import settled

PLATFORM_HOSTS = frozenset({"localhost", "127.0.0.1"})
"""The platform's own hosts, which lead to no tenant."""


def find_tenant(host: str) -> Tenant | None:
    """The tenant behind `host`; no query once it is settled.

    Unknown hosts are not kept: a scan of random names would fill the memory.
    """
    with schema_context(get_public_schema_name()):
        return settled(f"host:{host}", lambda: _look_up(host))


def _look_up(host: str) -> Tenant | None:
    domain = Domain.objects.select_related("tenant").filter(domain=host).first()
    return domain.tenant if domain else None


def add_host(tenant: Tenant, host: str, *, primary: bool = False) -> Domain:
    """Let `host` lead to `tenant`.

    Raises IntegrityError when it leads somewhere already, DomainError `host_taken` for one of the
    platform's own.
    """
    if host in PLATFORM_HOSTS:
        raise DomainError(
            "host_taken", f"The host {host!r} is the platform's own.", kind=ErrorKind.CONFLICT
        )
    with schema_context(get_public_schema_name()):
        domain: Domain = Domain.objects.create(tenant=tenant, domain=host, is_primary=primary)
    return domain


def remove_host(host: str) -> None:
    """Let `host` lead nowhere, from the next request on."""
    with schema_context(get_public_schema_name()):
        for domain in Domain.objects.filter(domain=host):
            domain.delete()
