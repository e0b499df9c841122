"""Which tenant a host belongs to: settled until a tenant or domain changes."""

from django_tenants.utils import get_public_schema_name, schema_context

from tenants.models import Domain, Tenant
from tenants.settled import find_settled, settle


def find_tenant(host: str) -> Tenant | None:
    """The tenant behind `host`; no query once it is settled.

    Unknown hosts are not kept: a scan of random names would fill the memory.
    """
    with schema_context(get_public_schema_name()):
        name = f"host:{host}"
        tenant: Tenant | None = find_settled(name)
        if tenant is None:
            domain = Domain.objects.select_related("tenant").filter(domain=host).first()
            if domain is None:
                return None
            tenant = domain.tenant
            settle(name, tenant)
    return tenant


def add_host(tenant: Tenant, host: str, *, primary: bool = False) -> Domain:
    """Let `host` lead to `tenant`. Raises IntegrityError when it leads somewhere already."""
    with schema_context(get_public_schema_name()):
        domain: Domain = Domain.objects.create(tenant=tenant, domain=host, is_primary=primary)
    return domain


def remove_host(host: str) -> None:
    """Let `host` lead nowhere, from the next request on."""
    with schema_context(get_public_schema_name()):
        for domain in Domain.objects.filter(domain=host):
            domain.delete()
